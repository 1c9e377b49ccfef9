#include "remote/wire/kernel_probes.h"

#include "runtime/memory/dirty_tracking.h"
#include "runtime/memory/guard_pages.h"
#include "runtime/memory/userfault.h"

namespace pmi {

KernelProbes probe_kernel() {
    KernelProbes probes;
    auto tracking = DirtyTracking::probe();
    probes.dirty_tracking = tracking.ok();
    if (!tracking) probes.no_dirty_tracking = tracking.error().message();
    probes.post_copy = UserFault::probe().ok();
    probes.guard_pages = tells_guard_pages();
    return probes;
}

std::string show(const KernelProbes& probes) {
    return fmt::format("dirty tracking: {}, post-copy: {}", probes.dirty_tracking ? "yes" : "no (" + probes.no_dirty_tracking + ")",
                       probes.post_copy ? "yes" : "no");
}

}  // namespace pmi
