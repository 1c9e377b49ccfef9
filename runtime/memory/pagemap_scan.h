// PAGEMAP_SCAN (Linux 6.7), which is not in the headers of older distributions: include/uapi/linux/fs.h,
// Documentation/admin-guide/mm/pagemap.rst.
#pragma once
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdint>
#include <vector>

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

}  // namespace pmi
