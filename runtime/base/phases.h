// Where the time of something goes: named stretches, told in one line of the debug log.
#pragma once
#include <fmt/format.h>

#include <string>

#include "runtime/base/clock.h"

namespace pmi {

class Phases {
  public:
    // The stretch since the last mark, or since the beginning.
    void mark(const char* name) {
        int64_t now = monotonic_ns();
        text_ += fmt::format("{}{} {} us", text_.empty() ? "" : ", ", name, (now - last_ns_) / 1000);
        last_ns_ = now;
    }
    const std::string& text() const { return text_; }

  private:
    int64_t last_ns_ = monotonic_ns();
    std::string text_;
};

}  // namespace pmi
