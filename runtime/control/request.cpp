#include "runtime/control/request.h"

#include "runtime/control/protocol.h"

namespace pmi::control {
namespace {

// Copying and printing a value goes one stack frame deeper a level: a hostile line must not choose how deep.
bool is_nested_deeper_than(std::string_view text, int limit) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); i++) {
        char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > limit)
            return true;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return false;
}

}  // namespace

nlohmann::json parse_request(std::string_view line) {
    if (is_nested_deeper_than(line, kMaxNesting)) return {};
    return nlohmann::json::parse(line, nullptr, false);
}

}  // namespace pmi::control
