// PAGEMAP_SCAN (Linux 6.7), which is not in the headers of older distributions: include/uapi/linux/fs.h,
// Documentation/admin-guide/mm/pagemap.rst.
#pragma once
#include <sys/ioctl.h>

#include <cstdint>

namespace pmi {

constexpr uint64_t kPageIsFollowed = 1 << 0;  // PAGE_IS_WPALLOWED: its mapping is one of an asynchronous userfaultfd
constexpr uint64_t kPageIsWritten = 1 << 1;   // since it was last protected there
constexpr uint64_t kPageIsFile = 1 << 2, kPageIsPresent = 1 << 3, kPageIsSwapped = 1 << 4, kPageIsPfnzero = 1 << 5;
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

}  // namespace pmi
