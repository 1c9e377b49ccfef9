#include "runtime/guest/memory_limits.h"

#include <sys/resource.h>

#include <algorithm>

#include "interpose/agent/agent.h"

namespace pmi {

bool is_memory_limit(uint32_t resource) {
    return resource == RLIMIT_STACK || resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_MEMLOCK;
}

Status set_memory_limit(pid_t guest, const wire::Limit& limit) {
    auto resource = static_cast<__rlimit_resource>(limit.resource());
    rlim_t soft = limit.soft();
    if (limit.resource() == RLIMIT_AS) soft = soft < RLIM_INFINITY - kAgentSize ? soft + kAgentSize : RLIM_INFINITY;
    rlimit now{};
    if (::prlimit(guest, resource, nullptr, &now) != 0) return fail_errno("limits of the guest");
    // More than the node's own, where pmid may grant it.
    rlimit wanted{soft, std::max(soft, now.rlim_max)};
    if (wanted.rlim_max != now.rlim_max && ::prlimit(guest, resource, &wanted, nullptr) == 0) return {};
    now.rlim_cur = std::min(soft, now.rlim_max);
    if (::prlimit(guest, resource, &now, nullptr) != 0) return fail_errno("set limits of the guest");
    return {};
}

}  // namespace pmi
