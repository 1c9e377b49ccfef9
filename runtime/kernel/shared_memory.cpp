#include "runtime/kernel/shared_memory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/fd.h"

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

bool SharerSearch::looked_for(const std::vector<MapsEntry>& ours) const {
    return std::all_of(ours.begin(), ours.end(), [&](const MapsEntry& a) {
        return std::any_of(ours_.begin(), ours_.end(), [&](const MapsEntry& b) {
            return a.inode == b.inode && a.dev_major == b.dev_major && a.dev_minor == b.dev_minor && a.name == b.name &&
                   a.write == b.write;
        });
    });
}

std::optional<Sharer> SharerSearch::find(const std::vector<MapsEntry>& ours) {
    if (ours.empty()) return std::nullopt;
    auto all = list_processes();
    if (!all) return std::nullopt;
    if (!looked_for(ours)) harmless_.clear();
    ours_ = ours;
    std::unordered_map<pid_t, std::string> harmless;
    for (pid_t other : *all) {
        // Before its mappings: what it maps meanwhile makes the next look read them.
        auto sizes = read_file(fmt::format("/proc/{}/statm", other));
        if (!sizes) continue;  // gone
        auto before = harmless_.find(other);
        if (before == harmless_.end() || before->second != *sizes)
            if (auto sharer = find_sharer(pid_, ours, {other})) return sharer;
        harmless[other] = std::move(*sizes);
    }
    harmless_ = std::move(harmless);
    return std::nullopt;
}

}  // namespace pmi
