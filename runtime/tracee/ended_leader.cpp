#include "runtime/tracee/ended_leader.h"

#include "runtime/base/clock.h"
#include "runtime/kernel/procfs.h"

namespace pmi {

Status EndedLeader::check(pid_t tid) {
    int64_t now = monotonic_ns();
    bool is_first = look_at_ns_ == 0;
    if (now < look_at_ns_) return {};
    look_at_ns_ = now + int64_t{kLookEveryMs} * 1'000'000;
    if (is_first) return {};
    auto status = read_status(tid);
    return status && status->state == 'Z' ? fail_code(ESRCH, "thread {} has ended", tid) : Status();
}

}  // namespace pmi
