#include "runtime/kernel/mapping_query.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/fd.h"
#include "runtime/kernel/procmap_query.h"

namespace pmi {
namespace {

std::optional<MapsEntry> find_in(const std::vector<MapsEntry>& maps, uint64_t address) {
    auto it = std::find_if(maps.begin(), maps.end(), [&](const auto& m) { return m.start <= address && address < m.end; });
    return it == maps.end() ? std::nullopt : std::optional(*it);
}

// Error ENOTTY: this kernel does not answer.
Expected<std::optional<MapsEntry>> query(pid_t pid, uint64_t address) {
    std::string path = fmt::format("/proc/{}/maps", pid);
    TRY_ASSIGN(Fd maps, open_file(path, O_RDONLY));
    MapName name{};
    MapQuery q{};
    if (query_mapping(maps.get(), address, 0, &name, q)) return std::optional(entry_of(q, name));
    if (errno == ENOENT) return std::optional<MapsEntry>();
    return fail_errno("ask {} for {:#x}", path, address);
}

// Where the kernel has told the program that it is (vdso(7)); 0: it has not.
uint64_t told_vdso(pid_t pid) {
    auto auxv = read_file(fmt::format("/proc/{}/auxv", pid));
    Elf64_auxv_t entry{};
    for (size_t at = 0; auxv && at + sizeof entry <= auxv->size(); at += sizeof entry) {
        std::memcpy(&entry, auxv->data() + at, sizeof entry);
        if (entry.a_type == AT_SYSINFO_EHDR) return entry.a_un.a_val;
    }
    return 0;
}

bool is_vdso(const MapsEntry& m) { return m.name == "[vdso]"; }

}  // namespace

Expected<std::optional<MapsEntry>> find_mapping(pid_t pid, uint64_t address) {
    auto found = query(pid, address);
    if (found || found.error().code() == ESRCH) return found;
    TRY_ASSIGN(auto maps, read_maps(pid));
    return find_in(maps, address);
}

bool MappingLookup::is_read_only(uint64_t address, uint64_t size) {
    if (is_of_no_use_) return false;
    if (!maps_.valid()) {
        auto opened = open_file(fmt::format("/proc/{}/maps", pid_), O_RDONLY);
        is_of_no_use_ = !opened;
        if (is_of_no_use_) return false;
        maps_ = std::move(*opened);
    }
    for (uint64_t at = address; at - address < size;) {
        MapQuery q{};
        if (!query_mapping(maps_.get(), at, 0, nullptr, q)) {
            is_of_no_use_ = errno != ENOENT;
            return false;
        }
        if ((q.vma_flags & MapFlags::kWritable) == 0) return true;
        at = q.vma_end;
    }
    return false;
}

// Elsewhere too: the program may have moved it, or may have had its auxv changed.
Expected<std::optional<MapsEntry>> find_vdso_mapping(pid_t pid) {
    if (uint64_t told = told_vdso(pid); told != 0)
        if (auto found = query(pid, told); found && *found && is_vdso(**found)) return found;
    TRY_ASSIGN(auto maps, read_maps(pid));
    auto it = std::find_if(maps.begin(), maps.end(), is_vdso);
    return it == maps.end() ? std::nullopt : std::optional(*it);
}

}  // namespace pmi
