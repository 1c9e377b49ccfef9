// CPU time is used here, while the deputy at home sleeps. The account of a process, and of a thread, has three parts:
// what it used at home until it left, what it used on nodes before this one (both came with the image), and what it
// uses here. What the deputy uses while it serves calls joins the first part when the program moves on.
#include <errno.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/cpu_time.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

CpuTime on_other_nodes(const GuestProcess& p) {
    return {static_cast<int64_t>(p.image.cpu_user_ns()), static_cast<int64_t>(p.image.cpu_system_ns())};
}

CpuTime used_away(const GuestProcess& p, const CpuTime& here) {
    CpuTime before = on_other_nodes(p);
    return {before.user_ns + here.user_ns, before.system_ns + here.system_ns};
}

int64_t process_ns(const GuestProcess& p) {
    return static_cast<int64_t>(p.image.cpu_home_ns()) + on_other_nodes(p).total_ns() + process_cpu_ns(p.outer);
}

int64_t thread_used_away(const GuestThread& t) { return t.cpu_ns_before + thread_cpu_ns(t.process->outer, t.outer); }

template <typename T>
bool patch(GuestMemory& memory, uint64_t address, auto&& change) {
    T value{};
    auto bytes = std::as_writable_bytes(std::span(&value, 1));
    if (memory.read(address, bytes) != sizeof value) return false;
    change(value);
    return memory.write(address, bytes) == sizeof value;
}

void add(timeval& t, int64_t ns) {
    int64_t us = t.tv_sec * 1'000'000 + t.tv_usec + ns / 1000;
    t = {us / 1'000'000, us % 1'000'000};
}

// What a clockid of the program's counts: the CPU time of a process, or (bit 2) of a thread; pid 0 is the caller.
struct CpuClock {
    bool is_cpu = false, is_thread = false;
    pid_t pid = 0;
};
CpuClock cpu_clock(uint64_t arg) {
    auto id = static_cast<clockid_t>(arg);
    if (id == CLOCK_PROCESS_CPUTIME_ID) return {true, false, 0};
    if (id == CLOCK_THREAD_CPUTIME_ID) return {true, true, 0};
    // clock_getcpuclockid(3): ~pid << 3 | kind; kind 3 is a clock of an fd's.
    if (id >= 0 || (id & 3) == 3) return {};
    return {true, (id & 4) != 0, ~(id >> 3)};
}

}  // namespace

namespace {

wire::Limit* cpu_limit_of(wire::Image& image) {
    for (auto& l : *image.mutable_limits())
        if (l.resource() == RLIMIT_CPU) return &l;
    return nullptr;
}

}  // namespace

// RLIMIT_CPU counts all CPU time of the program; this kernel counts what is used here.
Status GuestSupervisor::limit_cpu(GuestProcess& p) {
    const wire::Limit* whole = cpu_limit_of(p.image);
    if (whole == nullptr) return {};
    uint64_t soft_seconds = whole->soft();
    rlimit limit{};
    if (::prlimit(p.outer, RLIMIT_CPU, nullptr, &limit) != 0) return fail_errno("CPU limit of the guest");
    uint64_t elsewhere = (p.image.cpu_home_ns() + p.image.cpu_user_ns() + p.image.cpu_system_ns()) / kSecond;
    uint64_t left = soft_seconds == RLIM_INFINITY ? RLIM_INFINITY : soft_seconds > elsewhere ? soft_seconds - elsewhere : 1;
    limit.rlim_cur = std::min<rlim_t>(left, limit.rlim_max);
    if (::prlimit(p.outer, RLIMIT_CPU, &limit, nullptr) != 0) return fail_errno("set the CPU limit of the guest");
    return {};
}

Status GuestSupervisor::change_cpu_limit(GuestProcess& p, uint64_t soft_seconds) {
    if (wire::Limit* whole = cpu_limit_of(p.image)) whole->set_soft(soft_seconds);
    return limit_cpu(p);
}

void GuestSupervisor::note_cpu_time(const GuestProcess& p, wire::Image& image) {
    CpuTime used = used_away(p, process_cpu_exact(p.outer));
    image.set_cpu_user_ns(static_cast<uint64_t>(used.user_ns));
    image.set_cpu_system_ns(static_cast<uint64_t>(used.system_ns));
    for (auto& state : *image.mutable_threads()) {
        auto it = p.threads.find(HomePid(state.tid()));
        if (it != p.threads.end()) state.set_cpu_ns(static_cast<uint64_t>(thread_used_away(*it->second)));
    }
}

Status GuestSupervisor::tell_cpu_time(const GuestThread& t) {
    CpuTime used = used_away(*t.process, process_cpu_exact(t.process->outer));
    CpuHead head{t.process->pid.value, t.tid.value, used.user_ns, used.system_ns, thread_used_away(t)};
    return parts_.channel->send(static_cast<uint8_t>(FrameType::CpuUsed), head_bytes(head));
}

// Nothing for a clock of what is not here: home knows whether there is such a process.
std::optional<int64_t> GuestSupervisor::cpu_clock_ns(const GuestThread& t, uint64_t clock_id) {
    CpuClock clock = cpu_clock(clock_id);
    if (!clock.is_cpu) return std::nullopt;
    bool is_own = clock.pid == 0 || clock.pid == t.tid.value;
    if (clock.is_thread) {
        auto it = t.process->threads.find(is_own ? t.tid : HomePid(clock.pid));
        if (it == t.process->threads.end()) return std::nullopt;
        return it->second->cpu_home_ns + thread_used_away(*it->second);
    }
    const GuestProcess* p = is_own ? t.process : process_of(HomePid(clock.pid));
    if (p == nullptr) return std::nullopt;
    return process_ns(*p);
}

Status GuestSupervisor::answer_cpu_clock(GuestThread& t, const Row& row) {
    const auto args = t.notification->args;
    if (row.nr == SYS_getitimer || row.nr == SYS_setitimer)
        return args[0] == ITIMER_REAL ? forward(t, row, CallKind::Plain) : let_run(t);
    if (row.nr == SYS_clock_gettime) {
        auto ns = cpu_clock_ns(t, args[0]);
        if (!ns) return forward(t, row, CallKind::Plain);
        GuestMemoryAccess memory(*t.process->memory);
        timespec value{*ns / kSecond, *ns % kSecond};
        bool wrote = memory.write(args[1], std::as_bytes(std::span(&value, 1))) == sizeof value;
        return answer(t, wrote ? 0 : -EFAULT);
    }
    // Children, and what is neither CPU time nor memory, are at home.
    return forward(t, row, CallKind::Plain, [this, &t, args, nr = row.nr](const Reply& reply, const Flattened& sent) -> Status {
        GuestMemoryAccess out(*t.process->memory);
        int64_t result = apply(sent, reply, out);
        if (result < 0) return finish(t, result);
        bool wrote = true;
        CpuTime used = used_away(*t.process, process_cpu_ticks(t.process->outer));
        int64_t tick = kSecond / ::sysconf(_SC_CLK_TCK);
        if (nr == SYS_getrusage && static_cast<int>(args[0]) == RUSAGE_SELF) {
            wrote = patch<rusage>(out, args[1], [&](rusage& r) {
                add(r.ru_utime, used.user_ns);
                add(r.ru_stime, used.system_ns);
            });
        } else if (nr == SYS_getrusage && static_cast<int>(args[0]) == RUSAGE_THREAD) {
            wrote = patch<rusage>(out, args[1], [&](rusage& r) { add(r.ru_utime, thread_used_away(t)); });
        } else if (nr == SYS_times && args[0] != 0) {
            wrote = patch<tms>(out, args[0], [&](tms& v) {
                v.tms_utime += used.user_ns / tick;
                v.tms_stime += used.system_ns / tick;
            });
        }
        return finish(t, wrote ? result : -EFAULT);
    });
}

}  // namespace pmi
