// Waits on futexes until a time of the wall clock. The guest's kernel would go by the node's; so the call is made with the
// same instant of CLOCK_MONOTONIC instead: the thread is stopped before it, its arguments are changed, and put back at the
// stop where the call has returned. Interrupted or restarted, it is the program's own call again, which comes by here once
// more; so it does when home's clock has been set meanwhile.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/guest/guest_supervisor.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kFutexWaitv = 449, kFutexWait = 455;
constexpr uint64_t kLockPi2 = 13;  // FUTEX_LOCK_PI2, Linux 5.14: as FUTEX_LOCK_PI, by either clock

unsigned long long& timeout_of(Registers& r, int64_t nr) { return nr == kFutexWait ? r.r8 : r.r10; }

// The call by the monotonic clock, but for its timeout. False: it does not wait by the wall clock.
bool by_monotonic_clock(Registers& r, int64_t nr) {
    if (nr == kFutexWaitv || nr == kFutexWait) {
        auto& clock = nr == kFutexWaitv ? r.r8 : r.r9;
        if (static_cast<clockid_t>(clock) != CLOCK_REALTIME) return false;
        clock = CLOCK_MONOTONIC;
        return true;
    }
    auto op = static_cast<uint32_t>(r.rsi);
    uint32_t command = op & static_cast<uint32_t>(FUTEX_CMD_MASK);
    if (command == FUTEX_LOCK_PI) {
        op = (op & FUTEX_PRIVATE_FLAG) | kLockPi2;
    } else {
        bool waits = command == FUTEX_WAIT_BITSET || command == FUTEX_WAIT_REQUEUE_PI || command == kLockPi2;
        if (!waits || !(op & FUTEX_CLOCK_REALTIME)) return false;
        op &= ~static_cast<uint32_t>(FUTEX_CLOCK_REALTIME);
    }
    r.rsi = op;
    return true;
}

// Nothing where the kernel has an error to report.
std::optional<int64_t> deadline_at(const RemoteMemory& memory, uint64_t address) {
    auto t = memory.get<timespec>(address);
    if (!t || t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= kSecond) return std::nullopt;
    if (t->tv_sec > INT64_MAX / 4 / kSecond) return INT64_MAX / 4;
    return t->tv_sec * kSecond + t->tv_nsec;
}

bool is_futex_wait(int64_t nr) { return nr == SYS_futex || nr == kFutexWaitv || nr == kFutexWait; }

}  // namespace

bool GuestSupervisor::is_wall_wait(Registers r) {
    auto nr = static_cast<int64_t>(r.orig_rax);
    return is_futex_wait(nr) && timeout_of(r, nr) != 0 && by_monotonic_clock(r, nr);
}

Status GuestSupervisor::wait_by_wall_clock(GuestThread& t) {
    const auto& args = t.notification->args;
    int64_t nr = t.notification->nr;
    Registers r{};
    r.rsi = args[1];
    r.r10 = args[3];
    r.r8 = args[4];
    r.r9 = args[5];
    bool has_deadline = timeout_of(r, nr) != 0 && deadline_at(*t.process->memory, timeout_of(r, nr));
    if (!has_deadline || !by_monotonic_clock(r, nr)) return let_run(t);
    TRY(stop_then(t, [this, &t] { return begin_wall_wait(t); }));
    return give(t, kErestartNoIntr);
}

// Stopped before its call, which is to be issued again.
Status GuestSupervisor::begin_wall_wait(GuestThread& t) {
    TRY_ASSIGN(Registers as_called, get_registers(t.outer));
    auto nr = static_cast<int64_t>(as_called.orig_rax);
    Registers r = as_called;
    std::optional<int64_t> deadline;
    if (is_futex_wait(nr) && !t.process->held()) deadline = deadline_at(*t.process->memory, timeout_of(r, nr));
    if (!deadline || !by_monotonic_clock(r, nr)) return go_on(t);
    int64_t when = std::max<int64_t>(0, parts_.clock.monotonic_at(*deadline, guest_clock_ns(CLOCK_MONOTONIC)));
    // Below the red zone nobody keeps anything; the kernel reads it once, at the beginning.
    constexpr uint64_t kBelowRedZone = 128 + 128;
    uint64_t place = (r.rsp - kBelowRedZone) & ~uint64_t{15};
    // Below a small stack there may be nothing: then it is home that waits.
    if (!t.process->memory->put(place, timespec{when / kSecond, when % kSecond})) {
        t.stopped = true;
        return go_home(t, -1, "a wait by the wall clock, on a stack that has no room for it");
    }
    timeout_of(r, nr) = place;
    r.rax = r.orig_rax;
    r.orig_rax = static_cast<uint64_t>(-1);
    r.rip -= 2;
    TRY(set_registers(t.outer, r));
    t.wall_wait = GuestThread::WallWait{as_called, false};
    t.stopped = false;
    return resume_to_call(t.outer);
}

// A stop of a thread that waits so. True: it was the call's entry or its return, and is dealt with.
Expected<bool> GuestSupervisor::wall_wait_stop(GuestThread& t, const Stop& stop) {
    bool is_call = false;
    if (stop.kind == Stop::Kind::Signal && stop.signal == SIGTRAP) {
        TRY_ASSIGN(siginfo_t info, get_signal_info(t.outer));
        is_call = info.si_code == SIGTRAP;  // ptrace(2), syscall-stops
    }
    Registers as_called = t.wall_wait->as_called;
    if (!is_call) {
        // Before the call: a signal, or the move that wants it. What is on its way finds the program's own call.
        t.wall_wait.reset();
        TRY(set_registers(t.outer, as_called));
        return false;
    }
    if (!std::exchange(t.wall_wait->entered, true)) {
        t.reissued.reset();
        t.stopped = false;
        TRY(resume_to_call(t.outer));
        return true;
    }
    t.wall_wait.reset();
    TRY_ASSIGN(Registers now, get_registers(t.outer));
    auto result = static_cast<int64_t>(now.rax);
    // Its restart block holds the other clock's time: issued again instead, unless a handler makes it EINTR.
    as_called.rax = static_cast<uint64_t>(result == kErestartBlock ? kErestartNoHand : result);
    TRY(set_registers(t.outer, as_called));
    // This stop has taken an INTERRUPT that was on its way; and a restart is understood only with one.
    if (t.process->held() || t.at_stop || is_restart(result)) TRY(stop_soon(t));
    t.stopped = false;
    TRY(resume(t.outer));
    return true;
}

// The clocks are others now.
Status GuestSupervisor::renew_wall_waits() {
    for (auto& [outer, t] : by_outer_)
        if (t->wall_wait && t->wall_wait->entered && !t->stopped) TRY(stop_soon(*t));
    return {};
}

}  // namespace pmi
