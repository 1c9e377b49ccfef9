// How long a thread has been asleep. Nobody traces a program at home, so nobody saw when its interrupted
// epoll_wait began; the scheduler knows when the thread last ran (se.exec_start in /proc/PID/task/TID/sched,
// CONFIG_SCHED_DEBUG, which distributions set and Linux 6.15 made unconditional).
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"

namespace pmi {

// Since when (on this process's CLOCK_MONOTONIC, ns; a tick or so of error) the thread has not run. Now, for one that
// runs, or that waits for a futex without a limit, as most threads of a pool do: the answer takes some ten microseconds each. Now
// also for one of which the scheduler has forgotten it: its timeout is counted anew, so that it ends late rather than early.
Expected<int64_t> asleep_since(pid_t pid, pid_t tid);

}  // namespace pmi
