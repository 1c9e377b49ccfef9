// Which pages of a process that stands still hold something: PAGEMAP_SCAN (Linux 6.7) where there is one, else
// /proc/PID/pagemap.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/page_set.h"

namespace pmi {

class PageMap {
  public:
    static Expected<PageMap> open(pid_t pid);
    // Pages in [start, end) that are the process's own (anonymous or copied on write, in memory or swapped), without
    // the shared zero page and guard pages (guard_pages.h). Ordered, merged.
    Expected<std::vector<PageRun>> own_pages(uint64_t start, uint64_t end) const;
    // Pages that are there at all, of whatever kind but guard pages.
    Expected<std::vector<PageRun>> present_pages(uint64_t start, uint64_t end) const;

  private:
    PageMap(pid_t pid, Fd fd) : pid_(pid), fd_(std::move(fd)) {}
    Expected<std::vector<PageRun>> scan(uint64_t start, uint64_t end, bool own_only) const;
    Expected<std::vector<PageRun>> read_mappings(uint64_t start, uint64_t end, bool own_only) const;
    Status read_entries(uint64_t start, uint64_t end, bool own_only, std::vector<PageRun>& runs) const;
    pid_t pid_;
    Fd fd_;
    mutable std::optional<std::vector<MapsEntry>> mappings_;  // read when first needed
};

}  // namespace pmi
