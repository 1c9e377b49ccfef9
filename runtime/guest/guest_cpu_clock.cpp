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

// The clock that a clockid of the program's means for this thread: its process's or its own CPU clock, or none.
enum class CpuClock { None, Process, Thread };
CpuClock cpu_clock(const GuestThread& t, uint64_t arg) {
    auto id = static_cast<clockid_t>(arg);
    if (id == CLOCK_PROCESS_CPUTIME_ID) return CpuClock::Process;
    if (id == CLOCK_THREAD_CPUTIME_ID) return CpuClock::Thread;
    if (id >= 0) return CpuClock::None;
    // clock_getcpuclockid(3): ~pid << 3 | kind; bit 2: of a thread.
    pid_t pid = ~(id >> 3);
    if ((id & 3) == 3) return CpuClock::None;  // a dynamic clock, of an fd
    if ((id & 4) == 0 && (pid == 0 || pid == t.process->pid.value)) return CpuClock::Process;
    if ((id & 4) != 0 && (pid == 0 || pid == t.tid.value)) return CpuClock::Thread;
    return CpuClock::None;
}

}  // namespace

void GuestSupervisor::note_cpu_time(const GuestProcess& p, wire::Image& image) {
    CpuTime used = used_away(p);
    image.set_cpu_user_ns(static_cast<uint64_t>(used.user_ns));
    image.set_cpu_system_ns(static_cast<uint64_t>(used.system_ns));
    for (auto& state : *image.mutable_threads()) {
        auto it = p.threads.find(HomePid(state.tid()));
        if (it != p.threads.end()) state.set_cpu_ns(static_cast<uint64_t>(thread_ns(*it->second)));
    }
}

Status GuestSupervisor::answer_cpu_clock(GuestThread& t, const Row& row) {
    const auto args = t.notification->args;
    GuestMemoryAccess memory(*t.process->memory);
    if (row.nr == SYS_getitimer || row.nr == SYS_setitimer)
        return args[0] == ITIMER_REAL ? forward(t, row, CallKind::Plain) : let_run(t);
    if (row.nr == SYS_clock_gettime) {
        CpuClock clock = cpu_clock(t, args[0]);
        if (clock == CpuClock::None) return forward(t, row, CallKind::Plain);
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
            int64_t ns = cpu_clock(t, args[0]) == CpuClock::Process ? process_ns(*t.process) : thread_ns(t);
            wrote = patch<timespec>(out, args[1], [&](timespec& v) {
                int64_t whole = v.tv_sec * kSecond + v.tv_nsec + ns;
                v = {whole / kSecond, whole % kSecond};
            });
        }
        return finish(t, wrote ? result : -EFAULT);
    });
}

}  // namespace pmi
