// CPU time of tasks of this machine, as its kernel has counted it; 0 for one that is gone.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace pmi {

struct CpuTime {
    int64_t user_ns = 0, system_ns = 0;
    int64_t total_ns() const { return user_ns + system_ns; }
};

// What the process' CPUTIME clock says.
int64_t process_cpu_ns(pid_t pid);
// Whole ticks of each: at most what getrusage(2) tells the process itself.
CpuTime process_cpu_ticks(pid_t pid);
// Of a process that stands still: the sum is exact, and neither part less than its whole ticks.
CpuTime process_cpu_exact(pid_t pid);
// Of a thread that stands still; of one that runs, some milliseconds late.
int64_t thread_cpu_ns(pid_t pid, pid_t tid);

}  // namespace pmi
