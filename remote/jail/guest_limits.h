// What a node's owner lets each guest session take (guest_cgroups.h). 0: no limit.
#pragma once
#include <cstdint>

namespace pmi {

struct GuestLimits {
    uint64_t memory_max = 0;  // bytes
    double cpu_max = 0;       // CPUs
    uint32_t cpu_weight = 0;  // 1 to 10000, 100 is everybody's
    uint32_t pids_max = 0;    // processes and threads
    bool any() const { return memory_max != 0 || cpu_max != 0 || cpu_weight != 0 || pids_max != 0; }
};
constexpr uint32_t kMaxCpuWeight = 10000;

}  // namespace pmi
