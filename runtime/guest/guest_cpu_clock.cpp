// CPU time is used here, while the deputy at home sleeps: home's answer plus what was used away.
#include <errno.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/guest/guest_memory_access.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct CpuTime {
    int64_t user_ns = 0, system_ns = 0;
};

// Used on this node since the program came, and on nodes before it.
CpuTime used_away(const GuestProcess& p) {
    CpuTime t{static_cast<int64_t>(p.image.cpu_user_ns()), static_cast<int64_t>(p.image.cpu_system_ns())};
    auto stat = read_stat(p.outer);
    if (!stat) return t;
    int64_t tick = kSecond / ::sysconf(_SC_CLK_TCK);
    t.user_ns += static_cast<int64_t>(stat->utime) * tick;
    t.system_ns += static_cast<int64_t>(stat->stime) * tick;
    return t;
}

// Finer than ticks: what the scheduler has counted.
int64_t process_ns(const GuestProcess& p) {
    timespec t{};
    clockid_t clock = static_cast<clockid_t>((~static_cast<unsigned>(p.outer)) << 3 | 2);
    int64_t here = ::clock_gettime(clock, &t) == 0 ? t.tv_sec * kSecond + t.tv_nsec : 0;
    return here + static_cast<int64_t>(p.image.cpu_user_ns() + p.image.cpu_system_ns());
}

int64_t thread_ns(const GuestThread& t) {
    auto text = read_file(fmt::format("/proc/{}/task/{}/schedstat", t.process->outer, t.outer));
    return t.cpu_ns_before + (text ? std::strtoll(text->c_str(), nullptr, 10) : 0);
}

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

// RLIMIT_CPU counts all CPU time of the program; this kernel counts what is used here.
Status GuestSupervisor::limit_cpu(const GuestProcess& p, uint64_t soft_seconds) {
    rlimit limit{};
    if (::prlimit(p.outer, RLIMIT_CPU, nullptr, &limit) != 0) return fail_errno("CPU limit of the guest");
    uint64_t elsewhere = (p.image.cpu_home_ns() + p.image.cpu_user_ns() + p.image.cpu_system_ns()) / kSecond;
    uint64_t left = soft_seconds == RLIM_INFINITY ? RLIM_INFINITY : soft_seconds > elsewhere ? soft_seconds - elsewhere : 1;
    limit.rlim_cur = std::min<rlim_t>(left, limit.rlim_max);
    if (::prlimit(p.outer, RLIMIT_CPU, &limit, nullptr) != 0) return fail_errno("set the CPU limit of the guest");
    return {};
}

void GuestSupervisor::note_cpu_time(const GuestProcess& p, wire::Image& image) {
    CpuTime used = used_away(p);
    image.set_cpu_user_ns(static_cast<uint64_t>(used.user_ns));
    image.set_cpu_system_ns(static_cast<uint64_t>(used.system_ns));
    for (auto& state : *image.mutable_threads()) {
        auto it = p.threads.find(HomePid(state.tid()));
        if (it != p.threads.end()) state.set_cpu_ns(static_cast<uint64_t>(thread_ns(*it->second)));
    }
}

int64_t GuestSupervisor::clock_used_away(const GuestThread& t, uint64_t clock_id) {
    CpuClock clock = cpu_clock(clock_id);
    if (clock.pid == 0) return clock.is_thread ? thread_ns(t) : process_ns(*t.process);
    if (!clock.is_thread) {
        const GuestProcess* p = process_of(HomePid(clock.pid));
        return p == nullptr ? 0 : process_ns(*p);
    }
    auto it = t.process->threads.find(HomePid(clock.pid));
    return it == t.process->threads.end() ? 0 : thread_ns(*it->second);
}

Status GuestSupervisor::answer_cpu_clock(GuestThread& t, const Row& row) {
    const auto args = t.notification->args;
    GuestMemoryAccess memory(*t.process->memory);
    if (row.nr == SYS_getitimer || row.nr == SYS_setitimer)
        return args[0] == ITIMER_REAL ? forward(t, row, CallKind::Plain) : let_run(t);
    if (row.nr == SYS_clock_gettime) {
        if (!cpu_clock(args[0]).is_cpu) return forward(t, row, CallKind::Plain);
    }
    return forward(t, row, CallKind::Plain, [this, &t, args, nr = row.nr](const Reply& reply, const Flattened& sent) -> Status {
        GuestMemoryAccess out(*t.process->memory);
        int64_t result = apply(sent, reply, out);
        if (result < 0) return finish(t, result);
        bool wrote = true;
        CpuTime used = used_away(*t.process);
        int64_t tick = kSecond / ::sysconf(_SC_CLK_TCK);
        if (nr == SYS_getrusage && static_cast<int>(args[0]) == RUSAGE_SELF) {
            wrote = patch<rusage>(out, args[1], [&](rusage& r) {
                add(r.ru_utime, used.user_ns);
                add(r.ru_stime, used.system_ns);
            });
        } else if (nr == SYS_getrusage && static_cast<int>(args[0]) == RUSAGE_THREAD) {
            wrote = patch<rusage>(out, args[1], [&](rusage& r) { add(r.ru_utime, thread_ns(t)); });
        } else if (nr == SYS_times && args[0] != 0) {
            wrote = patch<tms>(out, args[0], [&](tms& v) {
                v.tms_utime += used.user_ns / tick;
                v.tms_stime += used.system_ns / tick;
            });
        } else if (nr == SYS_clock_gettime) {
            int64_t ns = clock_used_away(t, args[0]);
            wrote = patch<timespec>(out, args[1], [&](timespec& v) {
                int64_t whole = v.tv_sec * kSecond + v.tv_nsec + ns;
                v = {whole / kSecond, whole % kSecond};
            });
        }
        return finish(t, wrote ? result : -EFAULT);
    });
}

}  // namespace pmi
