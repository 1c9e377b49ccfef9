#include "remote/wire/kernel_probes.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/memory/dirty_tracking.h"

namespace pmi {

namespace {

Fd open_userfaultfd(int flags) {
    return Fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags)));
}

}  // namespace

KernelProbes probe_kernel() {
    KernelProbes probes;
    auto tracking = DirtyTracking::probe();
    probes.dirty_tracking = tracking.ok();
    if (!tracking) probes.no_dirty_tracking = tracking.error().message();
    probes.post_copy = open_userfaultfd(0).valid();
    return probes;
}

std::string show(const KernelProbes& probes) {
    return fmt::format("dirty tracking: {}, post-copy: {}", probes.dirty_tracking ? "yes" : "no (" + probes.no_dirty_tracking + ")",
                       probes.post_copy ? "yes" : "no");
}

}  // namespace pmi
