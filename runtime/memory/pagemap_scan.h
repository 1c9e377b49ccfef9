// PAGEMAP_SCAN (Linux 6.7), which is not in the headers of older distributions: include/uapi/linux/fs.h,
// Documentation/admin-guide/mm/pagemap.rst.
#pragma once
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/memory/pace.h"
#include "runtime/memory/page_set.h"

namespace pmi {

constexpr uint64_t kPageIsFollowed = 1 << 0;  // PAGE_IS_WPALLOWED: its mapping is one of an asynchronous userfaultfd
constexpr uint64_t kPageIsWritten = 1 << 1;   // since it was last protected there
constexpr uint64_t kPageIsFile = 1 << 2, kPageIsPresent = 1 << 3, kPageIsSwapped = 1 << 4, kPageIsPfnzero = 1 << 5;
constexpr uint64_t kPageIsGuard = 1 << 8;  // Linux 6.16
constexpr uint64_t kScanProtect = 1 << 0;  // PM_SCAN_WP_MATCHING

struct ScanRegion {
    uint64_t start, end, categories;
};
struct ScanArg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
static_assert(sizeof(ScanArg) == 96);
constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArg);

// Room for what one scan may find. Most scans are of a page or two, and many of them are made while a program stands still.
inline std::vector<ScanRegion> room_for_scan(uint64_t start, uint64_t end) {
    constexpr uint64_t kPageBytes = 4096, kMost = 2048;
    return std::vector<ScanRegion>(std::clamp<uint64_t>((end - start) / kPageBytes, 1, kMost));
}

// How far a scan got that has `found` regions. walk_end alone does not say: the kernel walks until 512 are found, and goes on from
// there; when the last of these walks gets to the end, walk_end is still where the one before it stopped, and what was found since
// would be found again (pagemap_scan in fs/proc/task_mmu.c; Linux 6.18).
inline uint64_t walked_to(const ScanArg& arg, int found) {
    const auto* regions = reinterpret_cast<const ScanRegion*>(arg.vec);  // NOLINT: as the kernel has it
    return found > 0 ? std::max(arg.walk_end, regions[found - 1].end) : arg.walk_end;
}

// All that matches, in order, bit by bit: a scan holds the process's page faults up. `arg` has the categories and flags.
template <typename Take>
Status scan_pages(int pagemap, PageRun range, ScanArg arg, Take take) {
    auto found = room_for_scan(range.start, range.end);
    arg.size = sizeof arg;
    arg.vec = reinterpret_cast<uint64_t>(found.data());
    arg.vec_len = found.size();
    Pace pace(32768);  // pages
    for (uint64_t at = range.start; at < range.end;) {
        arg.start = at;
        arg.end = range.end;
        arg.max_pages = pace.amount();
        int n = pace.timed([&] { return ::ioctl(pagemap, kPagemapScan, &arg); });
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("scan pages {:#x}-{:#x}", at, range.end);
        for (int i = 0; i < n; i++) take(found[static_cast<size_t>(i)]);
        uint64_t done = walked_to(arg, n);
        if (done <= at) break;
        at = done;
    }
    return {};
}

}  // namespace pmi
