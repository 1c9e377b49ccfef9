// A moment until which something may take.
#pragma once
#include <algorithm>
#include <chrono>

namespace pmi {

class Deadline {
  public:
    explicit Deadline(int ms) : at_(Clock::now() + std::chrono::milliseconds(std::max(ms, 0))) {}
    // Rounded up, so that a poll() of this length doesn't return early and spin.
    int left_ms() const {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
        return static_cast<int>(std::max<long>(left, 0));
    }
    bool over() const { return Clock::now() >= at_; }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point at_;
};

}  // namespace pmi
