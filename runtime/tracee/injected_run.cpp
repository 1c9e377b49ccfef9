#include "runtime/tracee/injected_run.h"

#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace pmi {

Expected<int> PlainWaiter::wait(pid_t tid, int timeout_ms) {
    int status = 0;
    if (timeout_ms < 0) {
        for (;;) {
            pid_t got = ::waitpid(tid, &status, __WALL);
            if (got == tid) return status;
            if (errno != EINTR) return fail_errno("wait for thread {}", tid);
        }
    }
    // waitpid has no timeout; a thread that is about to stop does so within microseconds, so poll with growing naps.
    int64_t deadline_ns = monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    for (long nap_ns = 20'000;; nap_ns = std::min(nap_ns * 2, 2'000'000L)) {
        pid_t got = ::waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid) return status;
        if (got < 0 && errno != EINTR) return fail_errno("wait for thread {}", tid);
        if (monotonic_ns() >= deadline_ns) return fail_code(ETIMEDOUT, "thread {} does not stop", tid);
        timespec nap{0, nap_ns};
        ::nanosleep(&nap, nullptr);
    }
}

Registers without_trap_flag(Registers r) {
    constexpr uint64_t kTrapFlag = 1 << 8;
    r.eflags &= ~kTrapFlag;
    return r;
}

Expected<Stop> next_stop(pid_t tid, StopWaiter& waiter) {
    TRY_ASSIGN(int status, waiter.wait(tid, -1));
    Stop stop = classify(status);
    if (stop.kind == Stop::Kind::Exited) return fail_code(ESRCH, "thread {} ended meanwhile", tid);
    return stop;
}

// Three signals of the program's come to a thread that has all blocked but SIGTRAP:
//   SIGSTOP, which can't be; it is resumed once more from the group-stop that follows
//   a fault that it had met just before it was stopped: when the trap of injected code is pending the kernel takes the first
//   pending fault of all, even a blocked one (dequeue_synchronous_signal in kernel/signal.c). Resumed with it the thread finds it
//   blocked and queues it again, behind the trap. A fault of the injected code is not blocked any more: to force it the kernel has
//   unblocked it
//   SIGTRAP, from kill(2) and its like; pending once, as every signal below the real-time ones.
Expected<int> InjectedRun::signal_after(const Stop& stop) {
    if (stop.kind == Stop::Kind::Group) met_group_stop_ = true;
    if (stop.kind != Stop::Kind::Signal) return 0;
    if (stop.signal == SIGTRAP) {
        TRY_ASSIGN(siginfo_t info, get_signal_info(tid_));
        if (info.si_code <= 0 && !trap_) trap_ = info;
        return 0;
    }
    if (stop.signal == SIGSTOP) {
        met_group_stop_ = true;
        return SIGSTOP;
    }
    TRY_ASSIGN(uint64_t mask, get_signal_mask(tid_));
    return (mask & (uint64_t{1} << (stop.signal - 1))) != 0 ? stop.signal : 0;
}

// The group-stop is over for a thread that was resumed from it, until an INTERRUPT makes it look again. It is pending until then.
Status InjectedRun::end(StopWaiter& waiter) {
    if (trap_) TRY(put_back_trap(waiter));
    return met_group_stop_ ? interrupt(tid_) : Status();
}

// Resumed with a signal that is blocked by then, a thread queues it again as it was (ptrace_signal in kernel/signal.c).
Status InjectedRun::put_back_trap(StopWaiter& waiter) {
    TRY_ASSIGN(uint64_t mask, get_signal_mask(tid_));
    TRY(set_signal_info(tid_, *std::exchange(trap_, std::nullopt)));
    TRY(set_signal_mask(tid_, kEverySignal));
    for (int signal = SIGTRAP;;) {
        TRY(interrupt(tid_));
        TRY(resume(tid_, signal));
        TRY_ASSIGN(Stop stop, next_stop(tid_, waiter));
        TRY_ASSIGN(signal, signal_after(stop));
        if (stop.kind == Stop::Kind::Interrupt || stop.kind == Stop::Kind::Group) break;
    }
    return set_signal_mask(tid_, mask);
}

Status step(pid_t tid, InjectedRun& run, StopWaiter& waiter) {
    for (int signal = 0;;) {
        TRY(single_step(tid, signal));
        // No time limit, and so no naps between two looks.
        TRY_ASSIGN(Stop stop, next_stop(tid, waiter));
        TRY_ASSIGN(bool is_over, is_own_trap(tid, stop));
        if (is_over) return {};
        TRY_ASSIGN(signal, run.signal_after(stop));
        if (stop.kind == Stop::Kind::Signal && stop.signal != SIGTRAP && signal == 0)
            return fail("thread {} got signal {} in injected code", tid, stop.signal);
    }
}

Status wait_for_trap(pid_t tid, uint64_t end, InjectedRun& run, StopWaiter& waiter) {
    for (;;) {
        TRY_ASSIGN(Stop stop, next_stop(tid, waiter));
        TRY_ASSIGN(bool is_own, is_own_trap(tid, stop));
        TRY_ASSIGN(Registers r, get_registers(tid));
        if (is_own && r.rip == end) return {};
        if (is_own) spdlog::warn("thread {} had a trap of its own, at {:#x}, to take before injected code", tid, r.rip);
        TRY_ASSIGN(int signal, run.signal_after(stop));
        if (stop.kind == Stop::Kind::Signal && stop.signal != SIGTRAP && signal == 0)
            return fail("thread {} got signal {} in injected code at {:#x}", tid, stop.signal, r.rip);
        TRY(resume(tid, signal));  // after a group-stop or a pending interrupt too: the trap is what counts
    }
}

}  // namespace pmi
