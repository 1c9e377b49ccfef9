// PROCMAP_QUERY (Linux 6.11; linux/fs.h), which headers of older distributions don't have.
#pragma once
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "runtime/kernel/procfs.h"

namespace pmi {

struct MapQuery {
    uint64_t size, query_flags, query_addr;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
};
static_assert(sizeof(MapQuery) == 104);
constexpr unsigned long kMapQuery = _IOWR('f', 17, MapQuery);

// Of vma_flags, and of query_flags what is looked for.
struct MapFlags {
    static constexpr uint64_t kReadable = 1, kWritable = 2, kExecutable = 4, kShared = 8, kOrNext = 16, kWithFile = 32;
};

using MapName = std::array<char, PATH_MAX>;

// False, and errno: ENOENT, there is none; ENOTTY, this kernel does not answer. `name`: null, it is not asked for.
inline bool query_mapping(int maps, uint64_t address, uint64_t flags, MapName* name, MapQuery& q) {
    q = MapQuery{};
    q.size = sizeof q;
    q.query_flags = flags;
    q.query_addr = address;
    if (name != nullptr) {
        q.vma_name_addr = reinterpret_cast<uint64_t>(name->data());
        q.vma_name_size = static_cast<uint32_t>(name->size());
    }
    int result = 0;
    while ((result = ::ioctl(maps, kMapQuery, &q)) != 0 && errno == EINTR) {
    }
    return result == 0;
}

inline MapsEntry entry_of(const MapQuery& q, const MapName& name) {
    MapsEntry e;
    e.start = q.vma_start, e.end = q.vma_end;
    e.read = (q.vma_flags & MapFlags::kReadable) != 0;
    e.write = (q.vma_flags & MapFlags::kWritable) != 0;
    e.exec = (q.vma_flags & MapFlags::kExecutable) != 0;
    e.shared = (q.vma_flags & MapFlags::kShared) != 0;
    e.offset = q.vma_offset;
    e.dev_major = q.dev_major, e.dev_minor = q.dev_minor;
    e.inode = q.inode;
    if (q.vma_name_size > 0) e.name = name.data();
    return e;
}

}  // namespace pmi
