// How long a thread has been asleep. Nobody traces a program at home, so nobody saw when its interrupted
// epoll_wait began; the scheduler knows when the thread last ran (se.exec_start in /proc/PID/task/TID/sched,
// CONFIG_SCHED_DEBUG, which distributions set and Linux 6.15 made unconditional).
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {

// Since when (on this process's CLOCK_MONOTONIC, ns; a tick or so of error) the thread has not run. Now, for one that
// runs, or that waits without a limit (for a futex, a child, a pipe), as most threads do: the answer takes some ten microseconds
// each, but where the CPU is busy that the thread was on, the rest takes milliseconds. Now also for one of which the scheduler has
// forgotten it: its timeout is counted anew, so that it ends late rather than early.
// `block`: Stays, nanosleep is one of the calls without a limit, since the kernel itself keeps when it ends. `nr`: the call that it
// waits in, if it waits in one.
Expected<int64_t> asleep_since(pid_t pid, pid_t tid, RestartBlock block = RestartBlock::Lost, int64_t* nr = nullptr);

}  // namespace pmi
