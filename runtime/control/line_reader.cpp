#include "runtime/control/line_reader.h"

namespace pmi::control {

void LineReader::feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line,
                      const std::function<void()>& on_overlong) {
    while (!bytes.empty()) {
        size_t newline = bytes.find('\n');
        std::string_view piece = bytes.substr(0, newline);
        bool complete = newline != std::string_view::npos;
        bytes.remove_prefix(complete ? newline + 1 : bytes.size());
        if (!skipping_ && partial_.size() + piece.size() > limit_) {
            skipping_ = true;
            partial_.clear();
            on_overlong();
        }
        if (!skipping_) partial_.append(piece);
        if (!complete) continue;
        if (!skipping_) {
            std::string line = std::move(partial_);
            partial_.clear();
            on_line(line);
        }
        skipping_ = false;
    }
}

}  // namespace pmi::control
