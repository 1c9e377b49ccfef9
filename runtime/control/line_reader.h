// Splits a byte stream into lines of bounded length. An overlong line is skipped to its end and reported
// once.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace pmi::control {

class LineReader {
  public:
    explicit LineReader(size_t limit) : limit_(limit) {}
    // Calls on_line for each complete line (without its newline) and on_overlong for each that was cut off.
    void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line,
              const std::function<void()>& on_overlong);

  private:
    size_t limit_;
    std::string partial_;
    bool skipping_ = false;
};

}  // namespace pmi::control
