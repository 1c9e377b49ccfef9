// SO_RCVTIMEO and SO_SNDTIMEO: how long a call may wait, in none of its arguments. Each call starts to wait anew, so that
// one which a move interrupts and which is made again has to be ended at its first deadline by whoever traces it.
// (Lowering the option for the rest would do too, but other processes may use the same socket.)
#pragma once
#include <cstdint>
#include <optional>

#include "runtime/base/fd.h"
#include "runtime/tracee/partial_transfer.h"

namespace pmi {

struct CallDeadline {
    int64_t nr = -1;       // of the call
    int64_t at_ns = 0;     // CLOCK_MONOTONIC
    int64_t result = 0;    // what the kernel gives to a call that waited until then for nothing
    bool of_part = false;  // another one once something has been transferred
};

// The deadline of a call that has waited since `began_ns`, if its socket sets one. A send to a local stream socket waits
// with the whole timeout for each part: for it `last_ran_ns`, when the thread ran last, counts.
std::optional<CallDeadline> deadline_of_call(pid_t tid, const CallArguments& call, int64_t began_ns, int64_t last_ran_ns);
bool may_send_in_parts(int64_t nr);
// Whether a call waits at a socket, so that it may have a deadline. `pid`'s thread `tid` need not be stopped.
bool waits_at_socket(pid_t pid, pid_t tid, const CallArguments& call);

}  // namespace pmi
