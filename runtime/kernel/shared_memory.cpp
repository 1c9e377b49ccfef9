#include "runtime/kernel/shared_memory.h"

#include <unistd.h>

namespace pmi {

bool is_same_live_memory(const MapsEntry& a, const MapsEntry& b) {
    if (!a.shared || !b.shared || !a.has_file()) return false;
    // Some file systems (btrfs) have devices of two kinds, one in maps and one for stat.
    bool same_device = a.dev_major == b.dev_major && a.dev_minor == b.dev_minor;
    if (a.inode != b.inode || !(same_device || a.name == b.name)) return false;
    // System V segments have their id for an inode number, on the device of anonymous shared memory.
    if (a.name.starts_with("/SYSV") != b.name.starts_with("/SYSV")) return false;
    return a.write || b.write;  // only readers: nobody sees a difference
}

std::optional<Sharer> find_sharer(pid_t pid, const std::vector<MapsEntry>& ours, const std::vector<pid_t>& others) {
    if (ours.empty()) return std::nullopt;
    for (pid_t other : others) {
        if (other == pid) continue;
        auto theirs = read_maps(other);
        if (!theirs) continue;  // gone, or another user's
        for (const auto& their : *theirs)
            for (const auto& our : ours)
                if (is_same_live_memory(our, their)) return Sharer{other, our};
    }
    return std::nullopt;
}

std::optional<Sharer> find_sharer(pid_t pid, const std::vector<MapsEntry>& ours) {
    auto all = list_processes();
    if (!all) return std::nullopt;
    std::erase(*all, ::getpid());
    return find_sharer(pid, ours, *all);
}

}  // namespace pmi
