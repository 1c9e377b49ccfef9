#include "runtime/kernel/shared_mappings.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "runtime/base/fd.h"
#include "runtime/kernel/procmap_query.h"

namespace pmi {
namespace {

// Error ENOTTY: an older kernel's.
Expected<std::vector<MapsEntry>> query(const Fd& maps) {
    std::vector<MapsEntry> found;
    MapName name;
    for (uint64_t from = 0;;) {
        MapQuery q{};
        if (!query_mapping(maps.get(), from, MapFlags::kShared | MapFlags::kWithFile | MapFlags::kOrNext, &name, q)) {
            if (errno == ENOENT) return found;
            return fail_errno("query mappings");
        }
        found.push_back(entry_of(q, name));
        from = q.vma_end;
    }
}

}  // namespace

Expected<std::vector<MapsEntry>> read_shared_mappings(pid_t pid) {
    TRY_ASSIGN(Fd maps, open_file(fmt::format("/proc/{}/maps", pid), O_RDONLY));
    auto found = query(maps);
    if (found || found.error().code() == ESRCH) return found;
    TRY_ASSIGN(auto all, read_maps(pid));
    std::erase_if(all, [](const MapsEntry& e) { return !e.shared || !e.has_file(); });
    return all;
}

}  // namespace pmi
