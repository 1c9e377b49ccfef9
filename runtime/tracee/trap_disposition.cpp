#include "runtime/tracee/trap_disposition.h"

#include <signal.h>
#include <sys/syscall.h>

#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

struct Action {  // struct kernel_sigaction of x86-64
    uint64_t handler = 0, flags = 0, restorer = 0, mask = 0;
};
static_assert(sizeof(Action) == kTrapActionSize);
constexpr uint64_t kIgnore = 1;  // SIG_IGN

Expected<bool> is_call_stop(pid_t tid, const Stop& stop) {
    if (stop.kind != Stop::Kind::Signal || (stop.signal & 0x7f) != SIGTRAP) return false;
    TRY_ASSIGN(siginfo_t info, get_signal_info(tid));
    return (info.si_code & 0x7f) == SIGTRAP;
}

// Twice: at the call's entry, and at its return.
Status run_to_call_stop(pid_t tid, InjectedRun& run, StopWaiter& waiter) {
    for (int signal = 0;;) {
        TRY(resume_to_call(tid, signal));
        TRY_ASSIGN(Stop stop, next_stop(tid, waiter));
        TRY_ASSIGN(bool is_it, is_call_stop(tid, stop));
        if (is_it) return {};
        TRY_ASSIGN(signal, run.signal_after(stop));
    }
}

Status change_action(pid_t tid, Registers r, uint64_t instruction, uint64_t change, uint64_t old, InjectedRun& run,
                     StopWaiter& waiter) {
    r.rip = instruction;
    r.rax = SYS_rt_sigaction;
    r.orig_rax = static_cast<uint64_t>(-1);
    r.rdi = SIGTRAP;
    r.rsi = change;
    r.rdx = old;
    r.r10 = sizeof(uint64_t);
    TRY(set_registers(tid, r));
    TRY(run_to_call_stop(tid, run, waiter));
    TRY(run_to_call_stop(tid, run, waiter));
    TRY_ASSIGN(Registers after, get_registers(tid));
    auto result = static_cast<int64_t>(after.rax);
    if (result < 0) return fail_code(static_cast<int>(-result), "disposition of SIGTRAP of thread {}", tid);
    return {};
}

// From a call's return the thread would go straight on, and what it has yet to restart with it: to the stop of an interruption.
Status stop_in_between(pid_t tid, InjectedRun& run, StopWaiter& waiter) {
    for (int signal = 0;;) {
        TRY(interrupt(tid));  // any stop takes a pending one away
        TRY(resume(tid, signal));
        TRY_ASSIGN(Stop stop, next_stop(tid, waiter));
        TRY_ASSIGN(signal, run.signal_after(stop));
        if (stop.kind == Stop::Kind::Interrupt || stop.kind == Stop::Kind::Group) return run.end(waiter);
    }
}

}  // namespace

bool ignores_trap(pid_t tid) {
    auto status = read_status(tid);
    return status && (status->sig_ignored & (uint64_t{1} << (SIGTRAP - 1))) != 0;
}

Status ignore_trap(pid_t tid, uint64_t instruction, uint64_t place, const RemoteMemory& memory, StopWaiter& waiter) {
    TRY_ASSIGN(Registers saved, get_registers(tid));
    TRY_ASSIGN(Action there, memory.get<Action>(place));
    InjectedRun run(tid);
    TRY(change_action(tid, saved, instruction, 0, place, run, waiter));
    TRY_ASSIGN(Action action, memory.get<Action>(place));
    action.handler = kIgnore;
    TRY(memory.put(place, action));
    TRY(change_action(tid, saved, instruction, place, 0, run, waiter));
    TRY(memory.put(place, there));
    TRY(stop_in_between(tid, run, waiter));
    return set_registers(tid, saved);
}

uint64_t below_stack(const Registers& r) {
    constexpr uint64_t kRedZone = 128;
    return (r.rsp - kRedZone - 2 * kTrapActionSize) & ~uint64_t{15};
}

}  // namespace pmi
