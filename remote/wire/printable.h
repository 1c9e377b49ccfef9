// Text from a peer, fit for a log line, a terminal or a protobuf string: printable ASCII, and not too long.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace pmi {

inline std::string printable(std::string_view text, size_t most = 64) {
    std::string result(text.substr(0, most));
    std::replace_if(
        result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    return result;
}

}  // namespace pmi
