#include "remote/wire/kernel_probes.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"

namespace pmi {

namespace {

// Newer than the headers that pmi is built with: linux/userfaultfd.h and linux/fs.h of 6.7.
constexpr int kUserModeOnly = 1;                // UFFD_USER_MODE_ONLY
constexpr uint64_t kFeatureWpAsync = 1u << 15;  // UFFD_FEATURE_WP_ASYNC
struct PmScanArg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
static_assert(sizeof(PmScanArg) == 96);
constexpr unsigned long kPagemapScan = _IOWR('f', 16, PmScanArg);
constexpr uint64_t kPageIsPresent = 1u << 3;

Fd open_userfaultfd(int flags) {
    return Fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags)));
}

bool has_wp_async() {
    Fd fd = open_userfaultfd(kUserModeOnly);
    if (!fd.valid()) return false;
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = kFeatureWpAsync;
    return ::ioctl(fd.get(), UFFDIO_API, &api) == 0 && (api.features & kFeatureWpAsync) != 0;
}

bool has_pagemap_scan() {
    size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    void* memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    Mapping mapping(memory, page);
    // Read-only: pagemap is mode 0400, and an ordinary user may not open it for writing.
    Fd fd(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    PmScanArg scan{};
    scan.size = sizeof scan;
    scan.start = reinterpret_cast<uint64_t>(memory);
    scan.end = scan.start + page;
    scan.category_mask = scan.return_mask = kPageIsPresent;
    return fd.valid() && ::ioctl(fd.get(), kPagemapScan, &scan) >= 0;
}

}  // namespace

KernelProbes probe_kernel() {
    KernelProbes probes;
    probes.dirty_tracking = has_wp_async() && has_pagemap_scan();
    probes.post_copy = open_userfaultfd(0).valid();
    return probes;
}

std::string show(const KernelProbes& probes) {
    return fmt::format("dirty tracking: {}, post-copy: {}", probes.dirty_tracking ? "yes" : "no",
                       probes.post_copy ? "yes" : "no");
}

}  // namespace pmi
