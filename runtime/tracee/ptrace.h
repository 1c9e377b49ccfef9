// ptrace(2) as functions with results. All must be called by the thread that is the tracer. "Stopped" is as
// ptrace(2) means it: these fail with ESRCH on a thread that runs.
#pragma once
#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

using Registers = user_regs_struct;

// A wait status taken apart.
struct Stop {
    enum class Kind {
        Exited,     // the thread is gone; status says how
        Signal,     // signal-delivery-stop: `signal` is about to be delivered
        Group,      // group-stop by `signal`
        Interrupt,  // PTRACE_EVENT_STOP that is no group-stop: INTERRUPT, or a new tracee's first stop
        Event,      // another PTRACE_EVENT_*: `event`
    } kind;
    int signal = 0;
    int event = 0;
    int status = 0;
};
Stop classify(int wait_status);

Status seize(pid_t tid, unsigned long options);
Status set_options(pid_t tid, unsigned long options);
Status interrupt(pid_t tid);
Status resume(pid_t tid, int signal = 0);          // PTRACE_CONT
Status resume_to_call(pid_t tid, int signal = 0);  // PTRACE_SYSCALL: up to the next entry into or exit from a system call
Status single_step(pid_t tid, int signal = 0);
Status listen_stopped(pid_t tid);  // PTRACE_LISTEN: stay in group-stop
Status detach(pid_t tid, int signal = 0);

Expected<Registers> get_registers(pid_t tid);
Status set_registers(pid_t tid, const Registers& registers);
Expected<std::string> get_xstate(pid_t tid);  // NT_X86_XSTATE, this CPU's layout
bool has_shadow_stack(pid_t tid);             // it checks where it returns to (x86 shadow stacks, Linux 6.6)
Status set_xstate(pid_t tid, const std::string& xstate);
// The mask that the program sees: during sigsuspend and the like the one to be restored.
Expected<uint64_t> get_signal_mask(pid_t tid);
Status set_signal_mask(pid_t tid, uint64_t mask);
Expected<siginfo_t> get_signal_info(pid_t tid);
Status set_signal_info(pid_t tid, const siginfo_t& info);
constexpr uint64_t kEverySignal = ~uint64_t{0};
// What is blocked while a thread runs injected code: everything but SIGTRAP, by which it tells that it is done. (The
// kernel resets the disposition of a blocked signal that it has to force: force_sig in kernel/signal.c.)
constexpr uint64_t kInjectionMask = kEverySignal & ~(uint64_t{1} << (SIGTRAP - 1));
enum class Pending { Thread, Process };
Expected<std::vector<siginfo_t>> peek_pending(pid_t tid, Pending which, size_t most = SIZE_MAX);
// Whether the stopped thread is about to take a SIGTRAP of its own. It has to before it runs injected code, which tells by that
// signal that it is done: resumed without an INTERRUPT it stops for the signal next.
bool trap_is_due(pid_t tid);
// Whether a stop is for a SIGTRAP of the thread's own (a breakpoint, a step), and not for one that somebody has sent.
Expected<bool> is_own_trap(pid_t tid, const Stop& stop);
// Whether the stopped thread takes its system calls itself (PR_SET_SYSCALL_USER_DISPATCH), and those of injected code too. False
// before Linux 6.4, which does not tell.
bool dispatches_own_calls(pid_t tid);
Expected<uint64_t> event_message(pid_t tid);

struct RseqConfiguration {
    uint64_t address = 0;
    uint32_t size = 0, signature = 0;
};
Expected<RseqConfiguration> get_rseq(pid_t tid);

}  // namespace pmi
