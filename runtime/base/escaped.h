// Names that the user or a program has chosen (arguments, jobs, files) in a line for a person: whole, but control characters
// neither end the line nor reach the terminal. (What a peer says is made fit by remote/wire/printable.h.)
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

namespace pmi {

inline std::string escaped(std::string_view text) {
    std::string shown;
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            shown += "\\n";
        else if (c == '\t')
            shown += "\\t";
        else if (byte < 0x20 || byte == 0x7f)
            shown += fmt::format("\\x{:02x}", byte);
        else
            shown += c;
    }
    return shown;
}

}  // namespace pmi
