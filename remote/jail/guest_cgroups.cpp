#include "remote/jail/guest_cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace pmi {
namespace {

constexpr uint64_t kPeriodUs = 100'000;
constexpr const char* kPrefix = "pmid-";
constexpr uint32_t kUsualWeight = 100, kUsualShares = 1024;

std::vector<std::string> controllers_for(const GuestLimits& limits) {
    std::vector<std::string> wanted;
    if (limits.memory_max != 0) wanted.emplace_back("memory");
    if (limits.cpu_max != 0 || limits.cpu_weight != 0) wanted.emplace_back("cpu");
    if (limits.pids_max != 0) wanted.emplace_back("pids");
    return wanted;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::string part;
    for (std::istringstream in{std::string(text)}; std::getline(in, part, separator);) parts.push_back(part);
    return parts;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

struct CgroupMount {
    std::string root, place;
    std::vector<std::string> options;  // of the file system: controllers, for version 1
    bool is_v2 = false;
};

// "36 31 0:33 ROOT PLACE options [optional fields] - TYPE SOURCE OPTIONS"
std::vector<CgroupMount> cgroup_mounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    for (const auto& line : split(mountinfo, '\n')) {
        auto words = split(line, ' ');
        auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() < 5 || words.end() - dash < 4 || !dash[1].starts_with("cgroup")) continue;
        mounts.push_back({words[3], words[4], split(dash[3], ','), dash[1] == "cgroup2"});
    }
    return mounts;
}

// Where the group `path` of a hierarchy is to be seen, or empty: a mount shows a part of it only.
std::string directory_of(const CgroupMount& mount, const std::string& path) {
    std::string root = mount.root == "/" ? "" : mount.root;
    if (!path.starts_with(root) || path.find("/..") != std::string::npos) return "";
    std::string rest = path.substr(root.size());
    return rest.empty() || rest == "/" ? mount.place : mount.place + rest;
}

Status write_value(const std::string& path, const std::string& value) {
    TRY_ASSIGN(Fd file, open_file(path, O_WRONLY));
    if (::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
        return fail_errno("write {} to {}", value, path);
    return {};
}

Status make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0) return fail_errno("make cgroup {}", path);
    return {};
}

std::vector<std::string> directories_in(const std::string& path) {
    std::vector<std::string> names;
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return names;
    while (const dirent* e = ::readdir(dir))
        if (e->d_type == DT_DIR && e->d_name[0] != '.') names.emplace_back(e->d_name);
    ::closedir(dir);
    return names;
}

std::vector<std::string> v2_controllers_of(const std::string& directory) {
    auto text = read_file(directory + "/cgroup.controllers");
    if (!text) return {};
    std::replace(text->begin(), text->end(), '\n', ' ');
    return split(*text, ' ');
}

uint64_t number_behind(const std::string& text, const std::string& key) {
    for (const auto& line : split(text, '\n'))
        if (line.starts_with(key + " ")) return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10);
    return 0;
}

}  // namespace

std::vector<CgroupHierarchy> find_hierarchies(std::string_view cgroup, std::string_view mountinfo,
                                              const std::vector<std::string>& wanted) {
    std::vector<CgroupHierarchy> found;
    auto mounts = cgroup_mounts(mountinfo);
    for (const auto& line : split(cgroup, '\n')) {  // "4:memory:/path", "0::/path"
        size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        bool is_v2 = line.starts_with("0::");
        CgroupHierarchy h{"", {}, is_v2};
        auto names = is_v2 ? wanted : split(line.substr(first + 1, second - first - 1), ',');
        std::copy_if(names.begin(), names.end(), std::back_inserter(h.controllers),
                     [&](const auto& n) { return contains(wanted, n); });
        for (const auto& mount : mounts) {
            bool is_it = mount.is_v2 == is_v2 && (is_v2 || contains(mount.options, names[0]));
            if (is_it && h.own.empty()) h.own = directory_of(mount, line.substr(second + 1));
        }
        if (!h.own.empty() && !h.controllers.empty()) found.push_back(std::move(h));
    }
    return found;
}

std::vector<CgroupSetting> settings_of(const GuestLimits& limits, const std::string& controller, bool is_v2) {
    std::vector<CgroupSetting> all;
    if (controller == "memory" && limits.memory_max != 0) {
        std::string bytes = std::to_string(limits.memory_max);
        all.push_back({is_v2 ? "memory.max" : "memory.limit_in_bytes", bytes});
        // Else what is too much goes to swap space, where there is any.
        all.push_back(is_v2 ? CgroupSetting{"memory.swap.max", "0", false}
                            : CgroupSetting{"memory.memsw.limit_in_bytes", bytes, false});
    }
    if (controller == "cpu" && limits.cpu_max != 0) {
        std::string quota = std::to_string(std::llround(limits.cpu_max * kPeriodUs)), period = std::to_string(kPeriodUs);
        if (is_v2) all.push_back({"cpu.max", quota + " " + period});
        if (!is_v2) all.push_back({"cpu.cfs_period_us", period});
        if (!is_v2) all.push_back({"cpu.cfs_quota_us", quota});
    }
    if (controller == "cpu" && limits.cpu_weight != 0) {
        uint32_t shares = std::max(2U, limits.cpu_weight * kUsualShares / kUsualWeight);
        all.push_back(is_v2 ? CgroupSetting{"cpu.weight", std::to_string(limits.cpu_weight)}
                            : CgroupSetting{"cpu.shares", std::to_string(shares)});
    }
    if (controller == "pids" && limits.pids_max != 0) all.push_back({"pids.max", std::to_string(limits.pids_max)});
    return all;
}

GuestCgroups GuestCgroups::create(const GuestLimits& limits) {
    GuestCgroups groups(limits);
    if (!limits.any()) return groups;
    if (auto done = groups.set_up(); !done) {
        groups.why_not_ = done.error().message();
        groups.shown_.clear();
        groups.remove_own();
    }
    return groups;
}

Status GuestCgroups::set_up() {
    TRY_ASSIGN(std::string cgroup, read_file("/proc/self/cgroup"));
    TRY_ASSIGN(std::string mountinfo, read_file("/proc/self/mountinfo"));
    auto missing = controllers_for(limits_);
    for (auto& h : find_hierarchies(cgroup, mountinfo, missing)) {
        // A controller is in one version only: the other's file does not name it.
        if (h.is_v2) std::erase_if(h.controllers, [has = v2_controllers_of(h.own)](const auto& c) { return !contains(has, c); });
        if (h.controllers.empty()) continue;
        TRY(own_group(h));
        for (const auto& c : h.controllers) {
            shown_ += fmt::format("{}{} (version {})", shown_.empty() ? "" : ", ", c, h.is_v2 ? 2 : 1);
            std::erase(missing, c);
        }
    }
    return missing.empty() ? Status() : fail("there is no cgroup controller for {}", fmt::join(missing, ", "));
}

Status GuestCgroups::own_group(const CgroupHierarchy& h) {
    remove_left_over(h.own);
    std::string directory = fmt::format("{}/{}{}", h.own, kPrefix, ::getpid());
    TRY(make_directory(directory));
    own_.push_back({{directory, h.controllers, h.is_v2}, {}});
    TRY_ASSIGN(own_.back().lock, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::flock(own_.back().lock.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("lock {}", directory);
    if (!h.is_v2) return {};
    TRY(make_directory(directory + "/self"));
    TRY(write_value(directory + "/self/cgroup.procs", "0"));
    std::string all;
    for (const auto& c : h.controllers) all.append(all.empty() ? "+" : " +").append(c);
    // Fails where the group above has processes of its own and is not the topmost.
    TRY(write_value(h.own + "/cgroup.subtree_control", all));
    return write_value(directory + "/cgroup.subtree_control", all);
}

// Of pmids that are gone: nobody holds the lock. Whatever still has tasks stays.
void GuestCgroups::remove_left_over(const std::string& parent) {
    for (const auto& name : directories_in(parent)) {
        if (!name.starts_with(kPrefix)) continue;
        std::string path = parent + "/" + name;
        auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
        if (!fd || ::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) continue;
        for (const auto& inside : directories_in(path)) ::rmdir(fmt::format("{}/{}", path, inside).c_str());
        ::rmdir(path.c_str());
    }
}

// Nothing tells when the last task of a group of version 1 has gone, and nobody tries again after us.
GuestCgroups::~GuestCgroups() {
    constexpr int64_t kPatienceNs = 2'000'000'000;
    constexpr timespec kNap{0, 5'000'000};
    int64_t end = monotonic_ns() + kPatienceNs;
    for (remove_waiting(); !waiting_.empty() && monotonic_ns() < end; remove_waiting()) ::nanosleep(&kNap, nullptr);
    remove_own();
}

void GuestCgroups::remove_own() {
    for (const auto& [own, lock] : own_) {
        // In version 2 this process is inside.
        if (own.is_v2) (void)write_value(own.own.substr(0, own.own.rfind('/')) + "/cgroup.procs", "0");
        if (own.is_v2) ::rmdir((own.own + "/self").c_str());
        if (::rmdir(own.own.c_str()) != 0) spdlog::debug("cgroup {} stays: errno {}", own.own, errno);
    }
    own_.clear();
}

Status GuestCgroups::make_one(const std::string& directory, const CgroupHierarchy& own) const {
    TRY(make_directory(directory));
    for (const auto& controller : own.controllers)
        for (const auto& setting : settings_of(limits_, controller, own.is_v2)) {
            auto done = write_value(directory + "/" + setting.file, setting.value);
            if (!done && (setting.is_needed || done.error().code() != ENOENT)) return done;
        }
    return {};
}

Expected<GuestGroup> GuestCgroups::make() {
    remove_waiting();
    GuestGroup group;
    std::string name = fmt::format("guest-{}", next_++);
    for (const auto& [own, lock] : own_) {
        group.push_back(own.own + "/" + name);
        if (auto made = make_one(group.back(), own); !made) {
            remove(std::move(group));
            return std::move(made.error());
        }
    }
    return group;
}

void GuestCgroups::remove(GuestGroup group) {
    for (auto& directory : group) waiting_.push_back(std::move(directory));
    remove_waiting();
}

void GuestCgroups::remove_waiting() {
    std::erase_if(waiting_, [](const std::string& directory) { return ::rmdir(directory.c_str()) == 0 || errno == ENOENT; });
}

GuestGroup groups_of_tasks(const GuestGroup& jail) {
    GuestGroup all, inner = jail;
    auto cgroup = read_file("/proc/self/cgroup"), mountinfo = read_file("/proc/self/mountinfo");
    if (cgroup && mountinfo)
        for (const auto& own : find_hierarchies(*cgroup, *mountinfo, {"pids"})) inner.push_back(own.own);
    for (const auto& start : inner) {
        auto is_group = [](const std::string& directory) { return ::access((directory + "/cgroup.procs").c_str(), F_OK) == 0; };
        for (std::string at = start; at.starts_with('/') && is_group(at); at.resize(at.rfind('/')))
            if (!contains(all, at)) all.push_back(at);
    }
    return all;
}

bool has_room_for_task(const GuestGroup& group) {
    for (const auto& directory : group) {
        auto current = read_file(directory + "/pids.current"), most = read_file(directory + "/pids.max");
        if (!current || !most || most->starts_with("max")) continue;
        if (std::strtoull(current->c_str(), nullptr, 10) >= std::strtoull(most->c_str(), nullptr, 10)) return false;
    }
    return true;
}

uint64_t killed_for_memory(const GuestGroup& group) {
    uint64_t killed = 0;
    for (const auto& directory : group)
        for (const char* file : {"/memory.events", "/memory.oom_control"})
            if (auto text = read_file(directory + file)) killed += number_behind(*text, "oom_kill");
    return killed;
}

}  // namespace pmi
