// What a stopped thread runs for us: injected code, or steps out of some. Nothing of the program's is lost by it: no signal, and
// no stop by job control.
#pragma once
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

// How to wait until a thread stops. A guest supervisor has to serve the thread's own notifications meanwhile.
class StopWaiter {
  public:
    virtual ~StopWaiter() = default;
    // The thread's next wait status. Error ETIMEDOUT after timeout_ms (negative: none), ESRCH when there is none.
    virtual Expected<int> wait(pid_t tid, int timeout_ms) = 0;
};
// waitpid(2) with __WALL.
class PlainWaiter : public StopWaiter {
  public:
    Expected<int> wait(pid_t tid, int timeout_ms) override;
};

// For code of ours: the thread may be stepping its own (EFLAGS.TF).
Registers without_trap_flag(Registers r);

// The next stop of a thread that was resumed, and waits for nothing. Error ESRCH when it has ended.
Expected<Stop> next_stop(pid_t tid, StopWaiter& waiter);

class InjectedRun {
  public:
    explicit InjectedRun(pid_t tid) : tid_(tid) {}
    // With what signal the thread is resumed after `stop`, 0 for none. A SIGTRAP that somebody has sent is kept.
    Expected<int> signal_after(const Stop& stop);
    // The thread has stopped for its own trap. What it has met shows when it is resumed: at once a stop by job control, which it
    // has run on from, and a SIGTRAP as soon as it is not blocked.
    Status end(StopWaiter& waiter);

  private:
    Status put_back_trap(StopWaiter& waiter);
    pid_t tid_;
    bool met_group_stop_ = false;
    std::optional<siginfo_t> trap_;
};

// One instruction, which may be a system call. The step's trap has been taken: a stop of another kind comes before it, and left
// behind it would be taken for the trap of what is injected next. Error: another signal by what was stepped over, or ESRCH.
Status step(pid_t tid, InjectedRun& run, StopWaiter& waiter);

// Until a thread that has been resumed meets the trap that ends at `end`. One that the thread had yet to take for something else is
// not it. Error: as of step().
Status wait_for_trap(pid_t tid, uint64_t end, InjectedRun& run, StopWaiter& waiter);

}  // namespace pmi
