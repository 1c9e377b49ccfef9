#include "runtime/kernel/procfs.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "runtime/base/fd.h"

namespace pmi {
namespace {

std::string task_path(pid_t pid, pid_t tid, const char* file) {
    return tid == 0 ? fmt::format("/proc/{}/{}", pid, file) : fmt::format("/proc/{}/task/{}/{}", pid, tid, file);
}

template <typename F>
void for_each_line(std::string_view text, F&& f) {
    while (!text.empty()) {
        size_t end = text.find('\n');
        f(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

// A number, and what is behind it, from the front of `s`.
template <typename Number>
bool take_number(std::string_view& s, int base, char behind, Number& number) {
    auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), number, base);
    if (error != std::errc() || end == s.data() + s.size() || *end != behind) return false;
    s.remove_prefix(static_cast<size_t>(end - s.data()) + 1);
    return true;
}

// "start-end rwxp offset major:minor inode   name"
bool parse_maps_line(std::string_view line, MapsEntry& e) {
    if (!take_number(line, 16, '-', e.start) || !take_number(line, 16, ' ', e.end) || e.start >= e.end) return false;
    constexpr size_t kPerms = 4;
    if (line.size() <= kPerms || line[kPerms] != ' ') return false;
    e.read = line[0] == 'r';
    e.write = line[1] == 'w';
    e.exec = line[2] == 'x';
    e.shared = line[3] == 's';
    line.remove_prefix(kPerms + 1);
    if (!take_number(line, 16, ' ', e.offset) || !take_number(line, 16, ':', e.dev_major) ||
        !take_number(line, 16, ' ', e.dev_minor))
        return false;
    auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), e.inode);
    if (error != std::errc()) return false;
    line.remove_prefix(static_cast<size_t>(end - line.data()));
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    e.name = std::string(line);
    return true;
}

bool is_maps_line(std::string_view line) {
    // smaps' other lines are "Key:   value"; a maps line has its '-' before any ':'.
    size_t dash = line.find('-'), colon = line.find(':'), space = line.find(' ');
    return dash != std::string_view::npos && dash < space && (colon == std::string_view::npos || dash < colon);
}

uint64_t hex(std::string_view s) {
    uint64_t v = 0;
    std::from_chars(s.data(), s.data() + s.size(), v, 16);
    return v;
}
int64_t decimal(std::string_view s) {
    int64_t v = 0;
    std::from_chars(s.data(), s.data() + s.size(), v, 10);
    return v;
}

std::vector<std::string_view> words(std::string_view s) {
    std::vector<std::string_view> out;
    size_t i = 0;
    while (i < s.size()) {
        while (i < s.size() && (s[i] == ' ' || s[i] == '\t')) i++;
        size_t begin = i;
        while (i < s.size() && s[i] != ' ' && s[i] != '\t') i++;
        if (i > begin) out.push_back(s.substr(begin, i - begin));
    }
    return out;
}

template <typename T>
void four(const std::vector<std::string_view>& v, T (&to)[4]) {
    for (size_t i = 0; i < 4 && i < v.size(); i++) to[i] = static_cast<T>(decimal(v[i]));
}

Expected<std::vector<pid_t>> list_numbers(const std::string& directory) {
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), ::closedir);
    if (!dir) return fail_errno("read {}", directory);
    std::vector<pid_t> out;
    while (const dirent* e = ::readdir(dir.get()))
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9') out.push_back(static_cast<pid_t>(decimal(e->d_name)));
    return out;
}

}  // namespace

int MapsEntry::prot() const { return (read ? PROT_READ : 0) | (write ? PROT_WRITE : 0) | (exec ? PROT_EXEC : 0); }

bool has_vm_flag(std::string_view vm_flags, std::string_view flag) {
    while (!vm_flags.empty()) {
        size_t end = std::min(vm_flags.find(' '), vm_flags.size());
        if (vm_flags.substr(0, end) == flag) return true;
        vm_flags.remove_prefix(std::min(end + 1, vm_flags.size()));
    }
    return false;
}

bool MapsEntry::has_flag(std::string_view flag) const { return has_vm_flag(vm_flags, flag); }

Expected<std::vector<MapsEntry>> parse_maps(std::string_view text) {
    std::vector<MapsEntry> out;
    bool bad = false;
    for_each_line(text, [&](std::string_view line) {
        if (line.empty()) return;
        if (is_maps_line(line)) {
            MapsEntry e;
            if (!parse_maps_line(line, e)) bad = true;
            out.push_back(std::move(e));
        } else if (line.starts_with("VmFlags:") && !out.empty()) {
            out.back().vm_flags = std::string(line.substr(8));
        } else if (line.starts_with("ProtectionKey:") && !out.empty()) {
            auto numbers = words(line.substr(line.find(':') + 1));
            if (!numbers.empty()) out.back().protection_key = static_cast<int>(decimal(numbers[0]));
        } else if ((line.starts_with("Rss:") || line.starts_with("Swap:")) && !out.empty()) {
            auto numbers = words(line.substr(line.find(':') + 1));
            if (!numbers.empty()) out.back().resident_kib += static_cast<uint64_t>(decimal(numbers[0]));
        }
    });
    if (bad) return fail("a line of /proc/PID/maps has an unknown form");
    return out;
}

// Of a program that runs the kernel writes the list a few entries at a time. What is mapped or merged in between is listed
// again: from where the list has come to.
void cut_repeated(std::vector<MapsEntry>& maps) {
    uint64_t end = 0;
    for (auto& e : maps) {
        uint64_t cut = e.start < end ? std::min(end, e.end) - e.start : 0;
        e.start += cut;
        if (e.has_file()) e.offset += cut;
        end = std::max(end, e.end);
    }
    std::erase_if(maps, [](const MapsEntry& e) { return e.start >= e.end; });
}

Expected<std::vector<MapsEntry>> read_maps(pid_t pid) {
    TRY_ASSIGN(std::string text, read_file(task_path(pid, 0, "maps")));
    TRY_ASSIGN(auto maps, parse_maps(text));
    cut_repeated(maps);
    return maps;
}

Expected<std::vector<MapsEntry>> read_smaps(pid_t pid) {
    TRY_ASSIGN(std::string text, read_file(task_path(pid, 0, "smaps")));
    TRY_ASSIGN(auto maps, parse_maps(text));
    cut_repeated(maps);
    return maps;
}

ProcStatus parse_status(std::string_view text) {
    ProcStatus s;
    for_each_line(text, [&](std::string_view line) {
        size_t colon = line.find(':');
        if (colon == std::string_view::npos) return;
        std::string_view key = line.substr(0, colon);
        auto v = words(line.substr(colon + 1));
        if (v.empty()) return;
        if (key == "Name")
            s.name = std::string(line.substr(colon + 2));
        else if (key == "State")
            s.state = v[0][0];
        else if (key == "Tgid")
            s.tgid = static_cast<pid_t>(decimal(v[0]));
        else if (key == "Pid")
            s.pid = static_cast<pid_t>(decimal(v[0]));
        else if (key == "PPid")
            s.ppid = static_cast<pid_t>(decimal(v[0]));
        else if (key == "TracerPid")
            s.tracer = static_cast<pid_t>(decimal(v[0]));
        else if (key == "Uid")
            four(v, s.uid);
        else if (key == "Gid")
            four(v, s.gid);
        else if (key == "Threads")
            s.threads = static_cast<int>(decimal(v[0]));
        else if (key == "SigQ")
            s.queued_signals = static_cast<uint64_t>(decimal(v[0]));
        else if (key == "SigPnd")
            s.sig_pending = hex(v[0]);
        else if (key == "ShdPnd")
            s.shared_pending = hex(v[0]);
        else if (key == "SigBlk")
            s.sig_blocked = hex(v[0]);
        else if (key == "SigIgn")
            s.sig_ignored = hex(v[0]);
        else if (key == "SigCgt")
            s.sig_caught = hex(v[0]);
        else if (key == "CapEff")
            s.effective_capabilities = hex(v[0]);
        else if (key == "VmRSS")
            s.vm_rss_kib = static_cast<uint64_t>(decimal(v[0]));
        else if (key == "VmSize")
            s.vm_size_kib = static_cast<uint64_t>(decimal(v[0]));
        else if (key == "NoNewPrivs")
            s.no_new_privs = static_cast<int>(decimal(v[0]));
        else if (key == "Seccomp")
            s.seccomp = static_cast<int>(decimal(v[0]));
        else if (key == "NSpid")
            for (auto n : v) s.ns_pid.push_back(static_cast<pid_t>(decimal(n)));
    });
    return s;
}

Expected<ProcStatus> read_status(pid_t pid, pid_t tid) {
    TRY_ASSIGN(std::string text, read_file(task_path(pid, tid, "status")));
    return parse_status(text);
}

Expected<uint64_t> stack_pointer_in_call(pid_t tid) {
    for (;;) {
        TRY_ASSIGN(std::string text, read_file(fmt::format("/proc/{}/syscall", tid)));
        if (text.starts_with("running")) {
            ::sched_yield();
            continue;
        }
        auto v = words(text);  // number, six arguments, stack pointer, instruction pointer
        if (v.size() != 9 || !v[7].starts_with("0x")) return fail_code(ESRCH, "thread {} is in no system call", tid);
        return hex(v[7].substr(2));
    }
}

Expected<ProcStat> parse_stat(std::string_view text) {
    // The command is in parentheses and may itself hold any character: the last ')' ends it.
    size_t open = text.find('('), close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return fail("stat has an unknown form");
    ProcStat s;
    s.comm = std::string(text.substr(open + 1, close - open - 1));
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
    auto v = words(rest);  // v[0] is field 3, the state
    if (v.size() < 49) return fail("stat has {} fields after the command, not 50", v.size());
    auto field = [&](size_t n) { return decimal(v[n - 3]); };
    auto address = [&](size_t n) {
        uint64_t value = 0;
        std::from_chars(v[n - 3].data(), v[n - 3].data() + v[n - 3].size(), value, 10);
        return value;
    };
    s.state = v[0][0];
    s.ppid = static_cast<pid_t>(field(4));
    s.pgrp = static_cast<pid_t>(field(5));
    s.session = static_cast<pid_t>(field(6));
    s.tty = static_cast<int>(field(7));
    s.flags = address(9);
    s.utime = address(14);
    s.stime = address(15);
    s.start_time = address(22);
    s.start_code = address(26);
    s.end_code = address(27);
    s.start_stack = address(28);
    s.start_data = address(45);
    s.end_data = address(46);
    s.start_brk = address(47);
    s.arg_start = address(48);
    s.arg_end = address(49);
    s.env_start = address(50);
    s.env_end = address(51);
    return s;
}

Expected<ProcStat> read_stat(pid_t pid, pid_t tid) {
    std::string path = task_path(pid, tid, "stat");
    TRY_ASSIGN(std::string text, read_file(path));
    auto stat = parse_stat(text);
    return stat ? std::move(stat) : Expected<ProcStat>(std::move(stat.error()).within(path));
}

Expected<std::vector<pid_t>> list_threads(pid_t pid) {
    TRY_ASSIGN(auto tids, list_numbers(fmt::format("/proc/{}/task", pid)));
    std::stable_partition(tids.begin(), tids.end(), [&](pid_t t) { return t == pid; });
    return tids;
}

pid_t thread_with_memory(pid_t pid) {
    auto has_ended = [pid](pid_t tid) {
        auto stat = read_stat(pid, tid);
        return !stat || stat->state == 'Z' || stat->state == 'X';
    };
    auto threads = list_threads(pid);
    if (!threads) return pid;
    for (pid_t tid : *threads)
        if (!has_ended(tid)) return tid;
    return pid;
}

Expected<std::vector<pid_t>> list_processes() { return list_numbers("/proc"); }

Expected<std::vector<pid_t>> list_children(pid_t pid) {
    TRY_ASSIGN(auto threads, list_threads(pid));
    std::vector<pid_t> children;
    for (pid_t tid : threads) {
        TRY_ASSIGN(std::string text, read_file(fmt::format("/proc/{}/task/{}/children", pid, tid)));
        char* end = nullptr;
        for (const char* at = text.c_str(); long child = std::strtol(at, &end, 10); at = end)
            children.push_back(static_cast<pid_t>(child));
    }
    return children;
}

Expected<std::vector<pid_t>> list_descendants(pid_t pid) {
    TRY_ASSIGN(auto all, list_children(pid));
    for (size_t i = 0; i < all.size(); i++) {
        auto more = list_children(all[i]);
        if (more) all.insert(all.end(), more->begin(), more->end());  // else it has ended
    }
    return all;
}

std::string link_target(const std::string& link) {
    char target[4096];
    ssize_t n = ::readlink(link.c_str(), target, sizeof target);
    return std::string(target, static_cast<size_t>(std::max<ssize_t>(n, 0)));
}

Expected<std::vector<FdEntry>> list_fds(pid_t pid) {
    std::string directory = fmt::format("/proc/{}/fd", pid);
    TRY_ASSIGN(auto numbers, list_numbers(directory));
    std::vector<FdEntry> out;
    for (int fd : numbers) {
        std::string target = link_target(fmt::format("{}/{}", directory, fd));
        if (!target.empty()) out.push_back({fd, std::move(target)});
    }
    return out;
}

Expected<int> read_fd_flags(pid_t pid, int fd) {
    TRY_ASSIGN(std::string text, read_file(fmt::format("/proc/{}/fdinfo/{}", pid, fd)));
    size_t at = text.find("flags:");
    if (at == std::string::npos) return fail("/proc/{}/fdinfo/{} has an unknown form", pid, fd);
    return static_cast<int>(std::strtol(text.c_str() + at + 6, nullptr, 8));
}

std::string read_environ(pid_t pid, std::string_view variable) {
    auto text = read_file(task_path(pid, 0, "environ"));
    if (!text) return {};
    std::string_view rest(*text);
    while (!rest.empty()) {
        std::string_view entry = rest.substr(0, rest.find('\0'));
        if (entry.size() > variable.size() && entry.starts_with(variable) && entry[variable.size()] == '=')
            return std::string(entry.substr(variable.size() + 1));
        rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    }
    return {};
}

// The signal is pending until the process takes it, and from then on the kernel's flags say so: they are read second.
bool is_being_killed(pid_t pid) {
    constexpr uint64_t kKill = uint64_t{1} << 8;           // SIGKILL
    constexpr uint64_t kExiting = 0x4, kSignaled = 0x400;  // PF_EXITING, PF_SIGNALED
    auto status = read_status(pid);
    if (!status || ((status->sig_pending | status->shared_pending) & kKill) != 0) return true;
    auto stat = read_stat(thread_with_memory(pid));  // the main thread may have ended by itself
    return !stat || stat->state == 'Z' || stat->state == 'X' || (stat->flags & (kExiting | kSignaled)) != 0;
}

}  // namespace pmi
