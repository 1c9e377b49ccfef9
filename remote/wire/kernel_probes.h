// What this kernel lets this user do, found out by doing it. All probes of pmi's moves are here. Minimum
// kernel: 5.19.
#pragma once
#include <string>

namespace pmi {

struct KernelProbes {
    bool dirty_tracking = false;      // userfaultfd WP_ASYNC and PAGEMAP_SCAN (6.7), marks that do not move with mremap (6.14)
    bool post_copy = false;           // userfaultfd that handles faults of the kernel too: root, or the sysctl
    std::string no_dirty_tracking{};  // why not
    bool guard_pages = false;         // that can be carried (runtime/memory/guard_pages.h)
};

KernelProbes probe_kernel();
// One line for the log.
std::string show(const KernelProbes& probes);

}  // namespace pmi
