#include "runtime/deputy/movable.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "interpose/agent/agent.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/guard_pages.h"

namespace pmi {
namespace {

using Reason = std::optional<std::string>;

bool starts(const std::string& text, std::string_view with) { return text.starts_with(with); }

// What the checks look at, read once.
struct Subject {
    pid_t pid;
    ProcStatus status;
    ProcStat stat;
    pid_t memory_of;  // thread_with_memory
};

Expected<Subject> look_at(pid_t pid) {
    Subject s{};
    s.pid = s.memory_of = pid;
    TRY_ASSIGN(s.status, read_status(pid));
    TRY_ASSIGN(s.stat, read_stat(pid));
    if (s.stat.state == 'Z') s.memory_of = thread_with_memory(pid);
    return s;
}

Reason check_ended(const Subject& s) {
    bool ended = s.stat.state == 'X' || (s.stat.state == 'Z' && s.memory_of == s.pid);
    return ended ? Reason("it has ended (zombie)") : std::nullopt;
}

Reason check_identity(const Subject& s) {
    if (s.status.uid[0] != s.status.uid[1] || s.status.gid[0] != s.status.gid[1]) return "setuid image";
    if (s.status.uid[0] != ::getuid() && ::geteuid() != 0) return fmt::format("it belongs to user {}", s.status.uid[0]);
    return std::nullopt;
}

Reason check_readable(const Subject& s) {
    auto maps = open_file(fmt::format("/proc/{}/maps", s.memory_of), O_RDONLY);
    if (!maps && (maps.error().code() == EACCES || maps.error().code() == EPERM))
        return "setuid image or not dumpable (prctl PR_SET_DUMPABLE): the kernel lets no other process look "
               "inside";
    return std::nullopt;
}

Reason check_tracer(const Subject& s, const MovableContext& context) {
    pid_t tracer = s.status.tracer;
    if (tracer == 0 || std::count(context.own_tracers.begin(), context.own_tracers.end(), tracer) > 0) return std::nullopt;
    auto who = read_stat(tracer);
    return fmt::format("being traced by PID {} ({})", tracer, who ? who->comm : "?");
}

Reason check_namespace(const Subject& s) {
    auto own = read_status(::getpid());
    if (own && s.status.ns_pid.size() > own->ns_pid.size()) return "it runs in a PID namespace of its own";
    return std::nullopt;
}

int count_filters(pid_t pid, pid_t tid) {
    auto text = read_file(fmt::format("/proc/{}/task/{}/status", pid, tid));
    constexpr std::string_view key = "\nSeccomp_filters:";
    size_t at = text ? text->find(key) : std::string::npos;
    if (at == std::string::npos) return -1;
    return std::atoi(text->c_str() + at + key.size());
}

// Filters that the supervisor has too came from outside, from a container say; they allow what both halves
// need.
// A thread may have one without the others.
Reason check_seccomp(const Subject& s, const MovableContext& context) {
    constexpr int kFilters = 2;  // SECCOMP_MODE_FILTER
    auto tids = list_threads(s.pid);
    if (!tids) return std::nullopt;  // it has ended
    std::optional<int> ours;
    for (pid_t tid : *tids) {
        auto status = read_status(s.pid, tid);
        if (!status || status->seccomp == 0) continue;
        if (!ours) ours = count_filters(::getpid(), ::getpid());
        int theirs = count_filters(s.pid, tid);
        bool is_from_outside = status->seccomp == kFilters && theirs >= 0 && theirs <= *ours + context.own_filters;
        if (!is_from_outside) return "it has a seccomp filter of its own";
    }
    return std::nullopt;
}

// A 64-bit process' auxiliary vector starts with a small 8-byte type; a 32-bit one's has type and value in
// there.
Reason check_word_size(const Subject& s) {
    auto fd = open_file(fmt::format("/proc/{}/auxv", s.memory_of), O_RDONLY);
    uint64_t first = 0;
    if (fd && read_all(fd->get(), &first, sizeof first) && first > UINT32_MAX) return "32-bit image";
    return std::nullopt;
}

Reason check_descriptors(const Subject& s) {
    auto fds = list_fds(s.memory_of);
    if (!fds) return std::nullopt;
    for (const auto& fd : *fds)
        if (auto reason = cantmove_descriptor(fd.target)) return reason;
    return std::nullopt;
}

// A POSIX timer is the deputy's, and the deputy uses next to no CPU time.
Reason check_timers(const Subject& s) {
    auto text = read_file(fmt::format("/proc/{}/timers", s.memory_of));
    if (!text) return std::nullopt;  // a kernel without CONFIG_CHECKPOINT_RESTORE
    constexpr std::string_view key = "ClockID: ";
    for (size_t at = 0; (at = text->find(key, at)) != std::string::npos;) {
        at += key.size();
        int clock = std::atoi(text->c_str() + at);
        if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || clock < 0)
            return "it has a timer on CPU time (timer_create)";
    }
    return std::nullopt;
}

Reason check_mappings(const std::vector<MapsEntry>& maps) {
    for (const auto& entry : maps)
        if (auto reason = cantmove_mapping(entry)) return reason;
    return std::nullopt;
}

// In other memory they are carried, where the kernel tells of them. Before Linux 6.16 it does not: then the move fails.
Reason check_guards(const Subject& s, const std::vector<MapsEntry>& maps) {
    std::vector<PageRun> others;
    for (const auto& m : maps)
        if (m.name != "[vsyscall]" && (m.shared || m.inode != 0)) others.push_back({m.start, m.end});
    auto guards = find_guard_pages(s.memory_of, others);
    if (!guards || guards->empty()) return std::nullopt;
    return fmt::format("it has guard pages in a mapped file or shared memory (MADV_GUARD_INSTALL, at {:x})",
                       guards->runs().front().start);
}

std::string describe(const MapsEntry& e) {
    if (starts(e.name, "/dev/zero")) return "anonymous";
    if (starts(e.name, "/SYSV")) return "System V, " + e.name.substr(1, e.name.find(' ') - 1);
    return e.name.empty() ? "anonymous" : e.name;
}

Reason check_shared_mappings(SharerSearch& search, const std::vector<MapsEntry>& maps) {
    std::vector<MapsEntry> shared;
    for (const auto& e : maps)
        if (e.shared && e.has_file()) shared.push_back(e);
    if (auto sharer = search.find(shared))
        return fmt::format("memory shared with PID {} ({})", sharer->pid, describe(sharer->mapping));
    // When it maps it, nobody hears of it.
    auto holder = find_holder(search.pid(), shared);
    if (!holder) return std::nullopt;
    return fmt::format("memory that PID {} can share, which has a descriptor of it ({})", holder->pid, describe(holder->mapping));
}

bool has_same_address_space(pid_t a, pid_t b) { return ::syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0; }

// vfork and clone(CLONE_VM) without CLONE_THREAD. The numbers of one address space are equal in all its
// users, which spares most of the kcmp calls.
Reason check_shared_address_space(const Subject& s, const ProcessStats& others) {
    for (const auto& [other, stat] : others) {
        if (other == s.pid) continue;
        if (stat.state == 'Z' || stat.arg_start != s.stat.arg_start || stat.arg_start == 0) continue;
        if (stat.start_stack != s.stat.start_stack || stat.env_end != s.stat.env_end) continue;
        if (has_same_address_space(s.memory_of, other))
            return fmt::format("memory shared with PID {} (the whole address space: vfork or CLONE_VM)", other);
    }
    return std::nullopt;
}

// Whoever moves the program has to live with the hard limits that pmirun was started with: it would fail in the
// middle of a move, or be killed while the program is away.
Reason check_own_limits() {
    struct Need {
        __rlimit_resource_t resource;
        const char* what;
        rlim_t least;
    };
    constexpr Need kNeeds[] = {
        {RLIMIT_NOFILE, "descriptors (ulimit -n)", 64},
        {RLIMIT_AS, "address space (ulimit -v), in bytes,", 256 << 20},
        {RLIMIT_DATA, "data (ulimit -d), in bytes,", 48 << 20},
        {RLIMIT_CPU, "CPU time (ulimit -t), in seconds,", 8},
        {RLIMIT_FSIZE, "file sizes (ulimit -f), in bytes,", kAgentSize},  // the memory that is shared with the agent is a file
    };
    for (const auto& need : kNeeds) {
        rlimit limit{};
        if (::getrlimit(need.resource, &limit) != 0 || limit.rlim_cur >= need.least) continue;
        return fmt::format("pmirun was started with a limit on {} of {}; a move needs {}", need.what, limit.rlim_cur, need.least);
    }
    return std::nullopt;
}

// The agent has to fit into the program's own one too, as long as it moves and is away.
Reason check_limit_of(const Subject& s) {
    rlimit limit{};
    uint64_t mapped = s.status.vm_size_kib * 1024;
    if (::prlimit(s.pid, RLIMIT_AS, nullptr, &limit) != 0 || limit.rlim_cur >= mapped + kAgentSize) return std::nullopt;
    return fmt::format("its limit on address space (ulimit -v) of {} bytes leaves no room for the {} of a move", limit.rlim_cur,
                       kAgentSize);
}

// Its mappings are looked at when they are read for its image.
Reason check_memory_again(const Subject& s) {
    // Whoever has come to share its address space since descends from it.
    auto others = list_descendants(s.pid);
    if (!others) others = list_processes();
    return others ? check_shared_address_space(s, read_stats(*others)) : std::nullopt;
}

Reason check_memory(const Subject& s, const MovableContext& context) {
    auto maps = read_smaps(s.memory_of);
    if (!maps) return std::nullopt;  // it ended just now; the move itself will say so
    if (auto reason = check_mappings(*maps)) return reason;
    auto all = context.all;
    if (all == nullptr) {
        auto pids = list_processes();
        if (!pids) return std::nullopt;
        all = std::make_shared<ProcessStats>(read_stats(*pids));
    }
    if (auto reason = check_shared_address_space(s, *all)) return reason;
    if (auto reason = check_guards(s, *maps)) return reason;
    SharerSearch search(s.pid);
    return check_shared_mappings(search, *maps);
}

}  // namespace

ProcessStats read_stats(const std::vector<pid_t>& pids) {
    ProcessStats stats;
    for (pid_t pid : pids)
        if (auto stat = read_stat(pid)) stats.emplace_back(pid, std::move(*stat));
    return stats;
}

std::optional<std::string> cantmove_sharing(SharerSearch& search) {
    auto maps = read_maps(thread_with_memory(search.pid()));
    return maps ? check_shared_mappings(search, *maps) : std::nullopt;
}

std::optional<std::string> cantmove_sharing(SharerSearch& search, const wire::Image& image) {
    return check_shared_mappings(search, shared_mappings_of(image));
}

std::optional<std::string> cantmove_descriptor(const std::string& target) {
    if (target == "anon_inode:[io_uring]") return "it uses io_uring (see pmirun --io-uring deny)";
    if (target == "anon_inode:[perf_event]") return "it counts events of its own (perf_event_open)";
    if (target == "anon_inode:[userfaultfd]") return "it uses userfaultfd";
    if (starts(target, "anon_inode:kvm-")) return "it runs a virtual machine (KVM)";
    return std::nullopt;
}

std::optional<std::string> cantmove_mapping(const MapsEntry& e) {
    if (starts(e.name, "anon_inode:[io_uring]")) return "it uses io_uring (see pmirun --io-uring deny)";
    if (starts(e.name, "anon_inode:[perf_event]")) return "it maps performance counters (perf_event_open)";
    if (starts(e.name, "/[aio]")) return "it uses an asynchronous I/O ring (io_setup)";
    if (starts(e.name, "/secretmem")) return "it uses secret memory (memfd_secret)";
    if (e.has_flag("ht")) return fmt::format("it uses huge pages of hugetlbfs ({})", e.name.empty() ? "anonymous" : e.name);
    if (e.has_flag("um") || e.has_flag("uw")) return "its page faults are handled by userfaultfd";
    // What may be executed alone has a key that mprotect(2) gives it, here as there.
    bool is_executed_only = e.exec && !e.read && !e.write;
    if (e.protection_key != 0 && !is_executed_only)
        return fmt::format("it uses protection keys ({:x}-{:x} has key {})", e.start, e.end, e.protection_key);
    if (e.has_flag("ss")) return "it uses a shadow stack (CET)";
    bool is_kernels_own = starts(e.name, "[v");  // [vvar], [vvar_vclock], [vdso], [vsyscall]
    if (e.has_flag("sl") && !is_kernels_own) return "it has sealed memory (mseal)";
    if ((e.has_flag("io") || e.has_flag("pf")) && !is_kernels_own)
        return fmt::format("it maps a device ({})", e.name.empty() ? "unnamed" : e.name);
    return std::nullopt;
}

std::optional<std::string> cantmove_reason(pid_t pid) { return cantmove_reason(pid, MovableContext{}); }

std::optional<std::string> cantmove_reason(pid_t pid, const MovableContext& context) {
    auto subject = look_at(pid);
    if (!subject) return fmt::format("no process {}", pid);
    if (auto r = check_ended(*subject)) return r;
    if (auto r = check_identity(*subject)) return r;
    if (auto r = check_readable(*subject)) return r;
    if (auto r = check_tracer(*subject, context)) return r;
    if (auto r = check_namespace(*subject)) return r;
    if (auto r = check_seccomp(*subject, context)) return r;
    if (auto r = check_word_size(*subject)) return r;
    if (auto r = check_descriptors(*subject)) return r;
    if (auto r = check_timers(*subject)) return r;
    if (auto r = check_own_limits()) return r;
    if (auto r = check_limit_of(*subject)) return r;
    return context.again ? check_memory_again(*subject) : check_memory(*subject, context);
}

}  // namespace pmi
