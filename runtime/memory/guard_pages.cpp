#include "runtime/memory/guard_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "runtime/base/fd.h"
#include "runtime/memory/pagemap_scan.h"

namespace pmi {

bool tells_guard_pages() {
    static const bool tells = [] {
        auto pagemap = open_file("/proc/self/pagemap", O_RDONLY);
        ScanArg arg{};
        arg.size = sizeof arg;
        arg.category_mask = arg.return_mask = kPageIsGuard;
        return pagemap && ::ioctl(pagemap->get(), kPagemapScan, &arg) == 0;  // of nothing: an unknown category is EINVAL
    }();
    return tells;
}

uint64_t guard_category() { return tells_guard_pages() ? kPageIsGuard : 0; }

Expected<PageSet> find_guard_pages(pid_t pid, const std::vector<PageRun>& ranges) {
    PageSet guards;
    if (!tells_guard_pages()) return guards;
    TRY_ASSIGN(Fd pagemap, open_file("/proc/" + std::to_string(pid) + "/pagemap", O_RDONLY));
    ScanArg arg{};
    arg.category_mask = arg.return_mask = kPageIsGuard;
    PageSet all(ranges);  // one scan of what lies side by side
    for (const auto& run : all.runs())
        TRY(scan_pages(pagemap.get(), run, arg, [&](const ScanRegion& r) { guards.add(r.start, r.end); }));
    return guards;
}

}  // namespace pmi
