// How much to ask the kernel for in one call that keeps mmap(2) and munmap(2) of a process waiting. What is mapped, but has never
// been touched, costs next to nothing: of terabytes that a sanitizer or a garbage collector has reserved, much is done at once.
#pragma once
#include <algorithm>
#include <cstdint>

#include "runtime/base/clock.h"

namespace pmi {

class Pace {
  public:
    explicit Pace(uint64_t amount) : least_(amount), amount_(amount) {}
    uint64_t amount() const { return amount_; }
    // The next one is larger or smaller, by what this one takes.
    template <typename Call>
    auto timed(Call call) {
        constexpr int64_t kQuickNs = 60'000, kSlowNs = 240'000;
        constexpr uint64_t kMost = uint64_t{1} << 35;
        int64_t began = monotonic_ns();
        auto result = call();
        int64_t took = monotonic_ns() - began;
        if (took < kQuickNs) amount_ = std::min(amount_ * 2, kMost);
        if (took > kSlowNs) amount_ = std::max(amount_ / 2, least_);
        return result;
    }

  private:
    uint64_t least_, amount_;
};

}  // namespace pmi
