#include "runtime/tracee/sleep_clock.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "runtime/base/fd.h"

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

}  // namespace

int64_t monotonic_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

Expected<int64_t> asleep_since(pid_t pid, pid_t tid) {
    // The scheduler's clock has an origin of its own: our own thread's exec_start, which is at most a tick old
    // while we run, ties it to CLOCK_MONOTONIC. A yield makes it fresh.
    ::syscall(SYS_sched_yield);
    TRY_ASSIGN(int64_t own, exec_start_ns(::getpid(), static_cast<pid_t>(::syscall(SYS_gettid))));
    int64_t now = monotonic_ns();
    TRY_ASSIGN(int64_t then, exec_start_ns(pid, tid));
    return now - std::max<int64_t>(0, own - then);
}

}  // namespace pmi
