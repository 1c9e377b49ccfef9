// Guard pages: madvise(2) with MADV_GUARD_INSTALL (Linux 6.13) makes pages of a mapping ones that nobody gets at, without making
// them a mapping of their own. C libraries have them below the stacks of threads (glibc from 2.42 on). They are marks in the page
// tables: whatever looks at pages takes them for some that are swapped out, but the kernel tells which they are (PAGE_IS_GUARD,
// Linux 6.16).
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/memory/page_set.h"

namespace pmi {

constexpr int kGuardInstall = 102, kGuardRemove = 103;  // MADV_GUARD_INSTALL, MADV_GUARD_REMOVE

// Whether this kernel has them and tells of them: else they can't be carried. It is asked once.
bool tells_guard_pages();
// PAGE_IS_GUARD, to be left out of what a scan gives; 0 where the kernel does not know of it.
uint64_t guard_category();

// Those in these ranges, some 0.6 ms a GiB that is in memory; none where the kernel does not tell.
Expected<PageSet> find_guard_pages(pid_t pid, const std::vector<PageRun>& ranges);

}  // namespace pmi
