#include "runtime/deputy/truncation.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// What argument `number` points to.
std::span<const std::byte> pointed_to(const Call& call, uint32_t number) {
    for (const auto& reloc : call.relocs) {
        if (reloc.where != number) continue;
        for (const auto& in : call.in)
            if (in.offset == reloc.target) return in.bytes;
    }
    return {};
}

std::string of_fd(HomePid tid, uint64_t fd) { return fmt::format("/proc/{}/fd/{}", tid.value, static_cast<int>(fd)); }

// As this process can name it. Absolute links are followed from our own root.
std::optional<std::string> of_path(HomePid tid, std::optional<uint64_t> directory, std::span<const std::byte> bytes) {
    std::string path(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    path.resize(std::min(path.size(), path.find('\0')));
    if (path.empty()) return std::nullopt;
    if (path[0] == '/') return fmt::format("/proc/{}/root{}", tid.value, path);
    if (directory && static_cast<int>(*directory) != AT_FDCWD) return of_fd(tid, *directory) + "/" + path;
    return fmt::format("/proc/{}/cwd/{}", tid.value, path);
}

bool cuts_off(uint64_t open_flags) { return (open_flags & O_TRUNC) != 0 && (open_flags & O_PATH) == 0; }

std::optional<std::string> file_to_cut(HomePid tid, const Call& call) {
    const auto& a = call.args;
    switch (call.nr) {
        case SYS_ftruncate: return of_fd(tid, a[0]);
        case SYS_fallocate:
            if ((a[1] & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) == 0) return std::nullopt;
            return of_fd(tid, a[0]);
        case SYS_truncate:
        case SYS_creat: return of_path(tid, std::nullopt, pointed_to(call, 0));
        case SYS_open: return cuts_off(a[1]) ? of_path(tid, std::nullopt, pointed_to(call, 0)) : std::nullopt;
        case SYS_openat: return cuts_off(a[2]) ? of_path(tid, a[0], pointed_to(call, 1)) : std::nullopt;
        case SYS_openat2: {
            open_how how{};
            auto given = pointed_to(call, 2);
            std::memcpy(&how, given.data(), std::min(given.size(), sizeof how));
            return cuts_off(how.flags) ? of_path(tid, a[0], pointed_to(call, 1)) : std::nullopt;
        }
        default: return std::nullopt;
    }
}

}  // namespace

bool would_cut_mapped_file(HomePid tid, const Call& call) {
    auto file = file_to_cut(tid, call);
    struct stat st {};
    if (!file || ::stat(file->c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) return false;
    auto maps = read_maps(tid.value);
    // The device is left out: some file systems show another one here (btrfs, overlayfs).
    return maps && std::any_of(maps->begin(), maps->end(), [&](const MapsEntry& m) { return m.inode == st.st_ino; });
}

}  // namespace pmi
