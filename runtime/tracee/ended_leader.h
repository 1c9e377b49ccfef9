// A main thread that has ended before the others. Its end is told to nobody, a tracer that waits for it included, until the last of
// the others has been reaped (delay_group_leader in kernel/exit.c); when the process was killed these may stand in a stop of their
// own, and wait for that tracer.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "runtime/base/error.h"

namespace pmi {

// For who waits for one thread. Looks seldom enough to cost nothing, and never before it has been asked for some time.
class EndedLeader {
  public:
    static constexpr int kLookEveryMs = 50;
    // Error ESRCH: it has ended. Asked when there is no wait status of it.
    Status check(pid_t tid);

  private:
    int64_t look_at_ns_ = 0;  // CLOCK_MONOTONIC
};

}  // namespace pmi
