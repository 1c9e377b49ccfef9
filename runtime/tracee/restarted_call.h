// restart_syscall(2): a poll, or a wait for a futex with a limit, that was interrupted without a handler goes on under this name,
// in its own task only. It keeps all that it needs in the kernel, and only the arguments are left to be seen: which call it is has
// to be found out before it can go on elsewhere. Sleeps do the same, and need not be told apart: home's task finishes them.
#pragma once
#include <sys/syscall.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

// A call that was stopped here and let go on so.
struct RestartedCall {
    pid_t tid = 0;
    uint64_t rip = 0;
    CallArguments call;
    int64_t began_ns = 0;
    bool is(const Registers& r) const { return rip == r.rip && call.args == arguments_of(r).args; }
};

// What a thread that is asleep in restart_syscall waits for, by the kernel's name of the place (proc(5), wchan): SYS_poll,
// SYS_futex, or SYS_restart_syscall for a sleep. Nothing where that does not tell.
std::optional<int64_t> restarted_call(pid_t pid, pid_t tid);
// The same of a stopped one, by the instruction that has loaded the call's number: not all code has one right in front.
std::optional<int64_t> restarted_call_by_code(const Registers& registers, const RemoteMemory& memory);

}  // namespace pmi
