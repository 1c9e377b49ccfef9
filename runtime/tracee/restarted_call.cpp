#include "runtime/tracee/restarted_call.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string>

#include "runtime/base/fd.h"
#include "runtime/tracee/memory.h"

namespace pmi {

std::optional<int64_t> restarted_call(pid_t pid, pid_t tid) {
    auto place = read_file(fmt::format("/proc/{}/task/{}/wchan", pid, tid));
    if (!place || place->empty() || *place == "0") return std::nullopt;
    if (place->starts_with("futex_")) return SYS_futex;
    if (place->find("poll") != std::string::npos) return SYS_poll;
    if (place->find("sleep") != std::string::npos) return SYS_restart_syscall;
    return std::nullopt;
}

std::optional<int64_t> restarted_call_by_code(const Registers& registers, const RemoteMemory& memory) {
    constexpr uint8_t kMovToEax = 0xb8;  // and four bytes of a number; then syscall, which has two
    auto code = memory.get<std::array<uint8_t, 7>>(registers.rip - 7);
    if (!code || (*code)[0] != kMovToEax) return std::nullopt;
    uint32_t number = 0;
    std::memcpy(&number, code->data() + 1, sizeof number);
    switch (number) {
        case SYS_poll:
        case SYS_futex: return number;
        case SYS_nanosleep:
        case SYS_clock_nanosleep: return SYS_restart_syscall;
        default: return std::nullopt;
    }
}

}  // namespace pmi
