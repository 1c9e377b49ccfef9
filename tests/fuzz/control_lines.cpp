// What a client of the control socket writes, in pieces whose sizes the input gives: lines are bounded, and whatever parses
// can be copied and printed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "runtime/control/line_reader.h"
#include "runtime/control/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi::control;
    constexpr size_t kLimit = 300;
    LineReader reader(kLimit);
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    size_t lines = 0, overlong = 0;
    auto on_line = [&](std::string_view line) {
        lines++;
        if (line.size() > kLimit || line.find('\n') != std::string_view::npos) std::abort();
        nlohmann::json request = parse_request(line);
        if (!request.is_object()) return;
        nlohmann::json copy = request;
        (void)copy.dump();
    };
    while (!rest.empty()) {
        size_t piece = std::min(rest.size(), size_t{1} + static_cast<unsigned char>(rest[0]) % 64);
        reader.feed(rest.substr(0, piece), on_line, [&] { overlong++; });
        rest.remove_prefix(piece);
    }
    if (lines + overlong > size) std::abort();
    return 0;
}
