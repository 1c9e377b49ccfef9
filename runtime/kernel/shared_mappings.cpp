#include "runtime/kernel/shared_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/ioctl.h>

#include <array>

#include "runtime/base/fd.h"

namespace pmi {
namespace {

// <linux/fs.h> since 6.11.
struct MapQuery {
    uint64_t size, query_flags, query_addr;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
};
constexpr unsigned long kMapQuery = _IOWR('f', 17, MapQuery);
constexpr uint64_t kReadable = 1, kWritable = 2, kExecutable = 4, kShared = 8, kOrNext = 16, kWithFile = 32;

MapsEntry entry_of(const MapQuery& q, const char* name) {
    MapsEntry e;
    e.start = q.vma_start, e.end = q.vma_end;
    e.read = (q.vma_flags & kReadable) != 0;
    e.write = (q.vma_flags & kWritable) != 0;
    e.exec = (q.vma_flags & kExecutable) != 0;
    e.shared = true;
    e.offset = q.vma_offset;
    e.dev_major = q.dev_major, e.dev_minor = q.dev_minor;
    e.inode = q.inode;
    if (q.vma_name_size > 0) e.name = name;
    return e;
}

// Error ENOTTY: an older kernel's.
Expected<std::vector<MapsEntry>> query(const Fd& maps) {
    std::vector<MapsEntry> found;
    std::array<char, PATH_MAX> name;
    for (uint64_t from = 0;;) {
        MapQuery q{};
        q.size = sizeof q;
        q.query_flags = kShared | kWithFile | kOrNext;
        q.query_addr = from;
        q.vma_name_addr = reinterpret_cast<uint64_t>(name.data());
        q.vma_name_size = name.size();
        if (::ioctl(maps.get(), kMapQuery, &q) != 0) {
            if (errno == EINTR) continue;
            if (errno == ENOENT) return found;
            return fail_errno("query mappings");
        }
        found.push_back(entry_of(q, name.data()));
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
