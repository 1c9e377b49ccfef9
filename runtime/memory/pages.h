// Which pages of a process hold something: PAGEMAP_SCAN (Linux 6.7) where there is one, else /proc/PID/pagemap.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

struct PageRun {
    uint64_t start, end;  // addresses
};

class PageMap {
  public:
    static Expected<PageMap> open(pid_t pid);
    // Pages in [start, end) that are the process's own (anonymous or copied on write, in memory or swapped), without
    // the shared zero page. Ordered, merged.
    Expected<std::vector<PageRun>> own_pages(uint64_t start, uint64_t end) const;
    // Pages that are there at all, of whatever kind.
    Expected<std::vector<PageRun>> present_pages(uint64_t start, uint64_t end) const;

  private:
    explicit PageMap(Fd fd) : fd_(std::move(fd)) {}
    Expected<std::vector<PageRun>> scan(uint64_t start, uint64_t end, bool own_only) const;
    Expected<std::vector<PageRun>> read_entries(uint64_t start, uint64_t end, bool own_only) const;
    Fd fd_;
};

}  // namespace pmi
