#include "runtime/kernel/memory_info.h"

#include <charconv>
#include <string>
#include <string_view>

#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

// The number behind a name, KiB; 0: not there.
uint64_t meminfo(const std::string& text, std::string_view name) {
    size_t at = text.find(name);
    if (at != std::string::npos) at = text.find_first_of("0123456789", at);
    uint64_t value = 0;
    if (at != std::string::npos) std::from_chars(text.data() + at, text.data() + text.size(), value);
    return value;
}

}  // namespace

bool is_memory_short() {
    auto text = read_file("/proc/meminfo");
    if (!text) return false;
    constexpr uint64_t kShare = 8;
    return meminfo(*text, "MemAvailable:") < meminfo(*text, "MemTotal:") / kShare;
}

uint64_t resident_bytes(pid_t pid) {
    auto status = read_status(pid);
    return status ? status->vm_rss_kib * 1024 : 0;
}

}  // namespace pmi
