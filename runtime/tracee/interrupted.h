// A thread that is stopped inside a system call. Linux shows orig_rax >= 0 and rax = -ERESTART* and does the rest
// itself when the thread goes on *in the same task*: EINTR if a handler runs, else the call again. Three kinds need
// help when the thread goes on in another task, or when stopping it was what ended the call:
//   * calls that end with a bare -EINTR when they are stopped (epoll_wait, semop, sigtimedwait, ...: signal(7));
//   * calls whose restart block stays behind in the old task (poll, futex with a relative timeout);
//   * relative timeouts: issued again, the call would start to wait anew.
// settle() gives the registers the form "-ERESTARTNOHAND, issue again" and says when the call has to end;
// write_timeout() puts what is left into the arguments just before the thread goes on.
#pragma once
#include <cstdint>
#include <optional>

#include "interpose/syscall/row.h"
#include "runtime/base/error.h"
#include "runtime/tracee/memory.h"
#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

constexpr int64_t kErestartSys = -512, kErestartNoIntr = -513, kErestartNoHand = -514, kErestartBlock = -516;
inline bool is_restart(int64_t result) { return result <= kErestartSys && result >= kErestartBlock; }

struct PendingTimeout {
    Timeout kind = Timeout::None;
    uint8_t arg = 0;
    int64_t deadline_ns = 0;  // CLOCK_MONOTONIC
};

enum class RestartBlock {
    Stays,  // nanosleep's block stays usable: the deputy keeps it, restart_syscall is forwarded to it
    Lost,   // the block is not (or not only) in the task that goes on: issue the call again
};

// `began_ns`: since when (CLOCK_MONOTONIC) the thread has waited. `handled`: a signal's handler is about to run on
// account of this interruption, so that a bare -EINTR is the program's own.
Expected<PendingTimeout> settle(Registers& registers, int64_t began_ns, RestartBlock block, bool handled,
                                const RemoteMemory& memory);
// Whether it matters to settle() since when a thread waits in this call. (For how its socket may limit it see socket_timeout.h.)
bool has_relative_timeout(const CallArguments& call, const RemoteMemory& memory);
// Registers and some memory are changed so that the call waits until the deadline. `at_home`: the thread's TID where it goes on as
// the program itself, so that a handler of libpmi.so may have to make the call once more (interpose/preload/timeout_cells.h); else
// 0.
Status write_timeout(Registers& registers, const PendingTimeout& timeout, int64_t now_ns, const RemoteMemory& memory,
                     pid_t at_home);

}  // namespace pmi
