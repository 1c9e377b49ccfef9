#include "runtime/tracee/sleep_clock.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/base/fd.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {
namespace {

// Milliseconds with a fraction, on the scheduler's clock.
Expected<int64_t> exec_start_ns(pid_t pid, pid_t tid) {
    std::string path = fmt::format("/proc/{}/task/{}/sched", pid, tid);
    TRY_ASSIGN(std::string text, read_file(path));
    size_t at = text.find("se.exec_start");
    if (at == std::string::npos) return fail("{} has no se.exec_start", path);
    size_t colon = text.find(':', at);
    if (colon == std::string::npos) return fail("{} has an unknown form", path);
    return static_cast<int64_t>(std::llround(std::strtod(text.c_str() + colon + 1, nullptr) * 1e6));
}

// proc(5), stat, field 39.
Expected<int> last_cpu(pid_t pid, pid_t tid) {
    std::string path = fmt::format("/proc/{}/task/{}/stat", pid, tid);
    TRY_ASSIGN(std::string text, read_file(path));
    size_t at = text.rfind(')');
    for (int field = 2; field < 39 && at != std::string::npos; field++) at = text.find(' ', at + 1);
    if (at == std::string::npos) return fail("{} has an unknown form", path);
    return std::atoi(text.c_str() + at + 1);
}

// By /proc/TID/syscall (proc(5)): "running", or the number and the arguments of the call that it waits in.
bool waits_for_no_time(pid_t pid, pid_t tid, RestartBlock block, int64_t* nr) {
    auto text = read_file(fmt::format("/proc/{}/task/{}/syscall", pid, tid));
    if (!text) return false;
    if (text->starts_with("running")) return true;
    CallArguments call;
    auto& a = call.args;
    int found = std::sscanf(text->c_str(), "%" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
                            &call.nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]);
    if (found != 7) return false;
    if (nr != nullptr) *nr = call.nr;
    bool sleeps = call.nr == SYS_nanosleep || call.nr == SYS_clock_nanosleep;
    if (sleeps && block == RestartBlock::Stays) return true;
    return !has_relative_timeout(call, RemoteMemory(tid)) && !waits_at_socket(pid, tid, call);
}

// This thread on one CPU for a moment. Where it may not run there, it stays where it is.
class OnCpu {
  public:
    explicit OnCpu(int cpu) {
        ::sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<size_t>(cpu), &one);
        moved_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
    }
    ~OnCpu() {
        if (moved_) ::sched_setaffinity(0, sizeof before_, &before_);
    }
    bool is_there() const { return moved_; }
    OnCpu(const OnCpu&) = delete;
    OnCpu& operator=(const OnCpu&) = delete;

  private:
    cpu_set_t before_{};
    bool moved_ = false;
};

}  // namespace

Expected<int64_t> asleep_since(pid_t pid, pid_t tid, RestartBlock block, int64_t* nr) {
    // That clock is each CPU's own, and stands still while the hypervisor or an interrupt has the CPU. Our own
    // thread's exec_start on the same CPU, made fresh by a yield, ties it to CLOCK_MONOTONIC; what time it lost since
    // makes the sleep look shorter, never longer.
    constexpr int kMostLooks = 4;
    for (int i = 0; i < kMostLooks && !waits_for_no_time(pid, tid, block, nr); i++) {
        TRY_ASSIGN(int cpu, last_cpu(pid, tid));
        OnCpu here(cpu);
        if (!here.is_there()) break;
        ::syscall(SYS_sched_yield);
        TRY_ASSIGN(int64_t own, exec_start_ns(::getpid(), static_cast<pid_t>(::syscall(SYS_gettid))));
        int64_t now = monotonic_ns();
        TRY_ASSIGN(int64_t then, exec_start_ns(pid, tid));
        // Awake meanwhile, on another CPU: the two clocks may be seconds apart. One that has been woken there has that CPU before
        // it runs, and its exec_start of the old one until it does.
        TRY_ASSIGN(int cpu_then, last_cpu(pid, tid));
        if (cpu_then != cpu || waits_for_no_time(pid, tid, block, nr)) continue;
        // It changed the CPU after it had gone to sleep (the scheduler takes a sleeper off its queue later, Linux 6.12): the kernel
        // has forgotten when that was.
        if (then == 0) break;
        TRY_ASSIGN(int64_t still, exec_start_ns(pid, tid));
        if (still == then) return now - std::max<int64_t>(0, own - then);
    }
    return monotonic_ns();
}

}  // namespace pmi
