// A transfer that was stopped half-way. Linux ends a blocking write to a pipe, a stream socket or a terminal as soon as
// the thread has to stop, and gives the number of bytes so far: pipe(7), "a write of more than PIPE_BUF bytes". Natively
// only a signal handler or job control does that to a program; a move must not. So the call is made again for the rest,
// and the counts are added. The same goes for reads that give all that was asked for: MSG_WAITALL, /dev/zero,
// /dev/urandom, getrandom; and for recvmmsg and sendmmsg, which count messages.
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>

#include "runtime/base/error.h"
#include "runtime/tracee/memory.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

struct CallArguments {
    int64_t nr = -1;
    std::array<uint64_t, 6> args{};
};
// Of a thread that is stopped in or just behind a system call.
CallArguments arguments_of(const Registers& registers);
void set_arguments(Registers& registers, const CallArguments& call);

// The call gave `result`, and would have gone on if nothing had stopped it. `pid` has the file descriptors, `memory`
// what the arguments point to. The caller traces `pid`.
bool goes_on(pid_t pid, const CallArguments& call, int64_t result, const RemoteMemory& memory);

// Changes the arguments to those of the rest, behind the first `done` bytes. What they point to is changed where it is,
// or in a copy at `place` (kRestSize bytes, in the same memory) if that is not 0.
constexpr uint64_t kRestSize = 64 + 1024 * 16;
Status skip_transferred(CallArguments& call, uint64_t done, uint64_t place, const RemoteMemory& memory);

}  // namespace pmi
