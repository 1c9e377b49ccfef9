// What malloc does with large blocks that are given back. By default it gives them to the kernel, and gets them again for
// the next call with as much data, cleared page by page, which costs several times what is then done with them.
#pragma once
#include <malloc.h>

namespace pmi {

// Of a process that moves the data of system calls; at most some MiB a thread.
inline void keep_freed_memory() {
    constexpr int kLargest = 32 << 20, kKept = 8 << 20;  // mallopt(3): 32 MiB is the most that it takes for the first
    ::mallopt(M_MMAP_THRESHOLD, kLargest);
    ::mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace pmi
