// Files of /proc/PID. The kernel writes them, but a program chooses its name and the names of its files.
#include "runtime/kernel/procfs.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    // Of exactly this size: what reads on behind the end is seen.
    std::string copy(reinterpret_cast<const char*>(data), size);
    std::string_view text(copy);
    auto maps = parse_maps(text);
    if (maps)
        for (const auto& m : *maps) {
            if (m.start >= m.end) std::abort();
            (void)m.has_flag("mw");
        }
    (void)parse_status(text);
    (void)parse_stat(text);
    return 0;
}
