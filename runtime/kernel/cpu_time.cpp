#include "runtime/kernel/cpu_time.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t tick_ns() { return kSecond / ::sysconf(_SC_CLK_TCK); }

}  // namespace

int64_t process_cpu_ns(pid_t pid) {
    constexpr unsigned kScheduler = 2;  // CPUCLOCK_SCHED; clock_getcpuclockid(3) would ask for leave first
    timespec t{};
    auto clock = static_cast<clockid_t>(~static_cast<unsigned>(pid) << 3 | kScheduler);
    return ::clock_gettime(clock, &t) == 0 ? t.tv_sec * kSecond + t.tv_nsec : 0;
}

CpuTime process_cpu_ticks(pid_t pid) {
    auto stat = read_stat(pid);
    if (!stat) return {};
    return {static_cast<int64_t>(stat->utime) * tick_ns(), static_cast<int64_t>(stat->stime) * tick_ns()};
}

CpuTime process_cpu_exact(pid_t pid) {
    CpuTime t = process_cpu_ticks(pid);
    int64_t rest = std::max<int64_t>(0, process_cpu_ns(pid) - t.total_ns());
    int64_t user = std::min(rest, tick_ns() - 1);
    t.user_ns += user;
    t.system_ns += rest - user;
    return t;
}

int64_t thread_cpu_ns(pid_t pid, pid_t tid) {
    auto text = read_file(fmt::format("/proc/{}/task/{}/schedstat", pid, tid));
    return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
}

}  // namespace pmi
