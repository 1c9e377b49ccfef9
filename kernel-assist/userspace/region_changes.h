// An address space is changed as planned (region_plan.h), by system calls that its agent performs.
#pragma once
#include <sys/mman.h>

#include <functional>

#include "kernel-assist/assist.h"
#include "runtime/memory/region_plan.h"

namespace pmi {

// mmap(2)'s arguments for what a step maps anew.
struct Backing {
    uint64_t flags, fd, offset;
};
constexpr Backing kAnonymousMemory{MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 0};
using BackingOf = std::function<Backing(const RegionStep&)>;
enum class Locks { Now, Later };  // mlock(2)

// The process's threads are stopped; `tid` is the one that makes the calls. Error: a range could not be changed.
Status change_regions(pid_t tid, const RegionPlan& plan, AgentPlace agent, StopWaiter& waiter, Locks locks,
                      const BackingOf& backing_of);

}  // namespace pmi
