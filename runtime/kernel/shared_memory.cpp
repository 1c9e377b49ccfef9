#include "runtime/kernel/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "runtime/base/fd.h"
#include "runtime/kernel/shared_mappings.h"

namespace pmi {
namespace {

// Of a file without a name, and not the kernel's own for anonymous memory, of which there are no descriptors.
bool is_passed_on(const MapsEntry& e) {
    return e.name.ends_with(" (deleted)") && !e.name.starts_with("/dev/zero") && !e.name.starts_with("/SYSV");
}

bool is_one_of(const std::vector<MapsEntry>& ours, const struct stat& st) {
    return std::any_of(ours.begin(), ours.end(), [&](const MapsEntry& e) { return e.inode == st.st_ino; });
}

// What it would be, mapped shared; none: nothing that can be mapped.
std::optional<MapsEntry> mappable(pid_t pid, int fd, const struct stat& st, const std::string& link) {
    auto flags = read_fd_flags(pid, fd);
    if (!flags || (*flags & O_PATH) != 0 || (*flags & O_ACCMODE) == O_WRONLY) return std::nullopt;
    return shared_mapping_of(st, link, (*flags & O_ACCMODE) == O_RDWR);
}

const MapsEntry* held_by(pid_t pid, const std::vector<MapsEntry>& ours) {
    auto fds = list_fds(pid);
    if (!fds) return nullptr;  // gone, or another user's
    for (const auto& fd : *fds) {
        std::string link = fmt::format("/proc/{}/fd/{}", pid, fd.fd);
        struct stat st {};
        if (!fd.target.starts_with('/') || ::stat(link.c_str(), &st) != 0 || !is_one_of(ours, st)) continue;
        auto theirs = mappable(pid, fd.fd, st, link);
        if (!theirs) continue;
        for (const auto& our : ours)
            if (is_same_live_memory(our, *theirs)) return &our;
    }
    return nullptr;
}

// A worker has descriptors of the files that its programs map, and maps none that they do not.
bool is_worker(pid_t pid) { return link_target(fmt::format("/proc/{}/exe", pid)) == link_target("/proc/self/exe"); }

std::vector<pid_t> all_but_this() {
    auto all = list_processes();
    if (!all) return {};
    std::erase(*all, ::getpid());
    return std::move(*all);
}

}  // namespace

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
        auto theirs = read_shared_mappings(other);
        if (!theirs) continue;  // gone, or another user's
        for (const auto& their : *theirs)
            for (const auto& our : ours)
                if (is_same_live_memory(our, their)) return Sharer{other, our};
    }
    return std::nullopt;
}

std::optional<Sharer> find_sharer(pid_t pid, const std::vector<MapsEntry>& ours) { return find_sharer(pid, ours, all_but_this()); }

MapsEntry shared_mapping_of(const struct stat& st, const std::string& link, bool writable) {
    MapsEntry mapping;
    mapping.shared = true;
    mapping.write = writable;
    mapping.dev_major = major(st.st_dev);
    mapping.dev_minor = minor(st.st_dev);
    mapping.inode = st.st_ino;
    mapping.name = link_target(link);
    return mapping;
}

std::optional<Sharer> find_holder(pid_t pid, const std::vector<MapsEntry>& ours, const std::vector<pid_t>& others) {
    std::vector<MapsEntry> passed_on;
    std::copy_if(ours.begin(), ours.end(), std::back_inserter(passed_on), is_passed_on);
    if (passed_on.empty()) return std::nullopt;
    for (pid_t other : others) {
        if (other == pid) continue;
        const MapsEntry* held = held_by(other, passed_on);
        if (held != nullptr && !is_worker(other)) return Sharer{other, *held};
    }
    return std::nullopt;
}

std::optional<Sharer> find_holder(pid_t pid, const std::vector<MapsEntry>& ours) { return find_holder(pid, ours, all_but_this()); }

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
