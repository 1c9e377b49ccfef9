#include "runtime/memory/pages.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "runtime/memory/guard_pages.h"
#include "runtime/memory/pagemap_scan.h"

namespace pmi {
namespace {

constexpr uint64_t kPageSize = 4096;

void append(std::vector<PageRun>& runs, uint64_t start, uint64_t end) {
    if (!runs.empty() && runs.back().end == start)
        runs.back().end = end;
    else
        runs.push_back({start, end});
}

}  // namespace

Expected<PageMap> PageMap::open(pid_t pid) {
    // Read-only: the file's mode is 0400 (and writing means nothing).
    TRY_ASSIGN(Fd fd, open_file("/proc/" + std::to_string(pid) + "/pagemap", O_RDONLY));
    return PageMap(pid, std::move(fd));
}

Expected<std::vector<PageRun>> PageMap::own_pages(uint64_t start, uint64_t end) const { return scan(start, end, true); }
Expected<std::vector<PageRun>> PageMap::present_pages(uint64_t start, uint64_t end) const { return scan(start, end, false); }

Expected<std::vector<PageRun>> PageMap::scan(uint64_t start, uint64_t end, bool own_only) const {
    std::vector<PageRun> runs;
    auto found = room_for_scan(start, end);
    while (start < end) {
        ScanArg arg{};
        arg.size = sizeof arg;
        arg.start = start;
        arg.end = end;
        arg.vec = reinterpret_cast<uint64_t>(found.data());
        arg.vec_len = found.size();
        arg.category_inverted = arg.category_mask = guard_category() | (own_only ? kPageIsFile | kPageIsPfnzero : 0);
        arg.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
        arg.return_mask = kPageIsPresent;
        int n = ::ioctl(fd_.get(), kPagemapScan, &arg);
        if (n < 0 && (errno == ENOTTY || errno == EINVAL)) return read_mappings(start, end, own_only);
        if (n < 0) return fail_errno("scan pages {:#x}-{:#x}", start, end);
        for (int i = 0; i < n; i++) append(runs, found[static_cast<size_t>(i)].start, found[static_cast<size_t>(i)].end);
        uint64_t done = walked_to(arg, n);
        if (done <= start) break;
        start = done;
    }
    return runs;
}

// The page map has an entry for each page that there could be: reservations that hold nothing (Java's, Go's, V8's: up to
// terabytes) are left out.
Expected<std::vector<PageRun>> PageMap::read_mappings(uint64_t start, uint64_t end, bool own_only) const {
    if (!mappings_) {
        TRY_ASSIGN(mappings_, read_smaps(pid_));
    }
    std::vector<PageRun> runs;
    for (const auto& m : *mappings_)
        if (m.resident_kib != 0 && m.start < end && start < m.end)
            TRY(read_entries(std::max(start, m.start), std::min(end, m.end), own_only, runs));
    return runs;
}

Status PageMap::read_entries(uint64_t start, uint64_t end, bool own_only, std::vector<PageRun>& runs) const {
    constexpr uint64_t kPresent = uint64_t{1} << 63, kSwapped = uint64_t{1} << 62, kFileOrShared = uint64_t{1} << 61;
    std::array<uint64_t, 8192> entries;
    while (start < end) {
        size_t want = std::min<size_t>(entries.size(), (end - start) / kPageSize);
        ssize_t n = ::pread(fd_.get(), entries.data(), want * 8, static_cast<off_t>(start / kPageSize * 8));
        if (n < 0) return fail_errno("read page map at {:#x}", start);
        if (n == 0) break;
        for (size_t i = 0; i < static_cast<size_t>(n) / 8; i++, start += kPageSize) {
            bool there = (entries[i] & (kPresent | kSwapped)) != 0;
            if (there && !(own_only && (entries[i] & kFileOrShared))) append(runs, start, start + kPageSize);
        }
    }
    return {};
}

}  // namespace pmi
