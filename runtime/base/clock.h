// The kernel's clocks as numbers.
#pragma once
#include <time.h>

#include <cstdint>

namespace pmi {

inline int64_t clock_ns(clockid_t clock) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}
// CLOCK_MONOTONIC of this process, in ns.
inline int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace pmi
