// The ELF image of a vDSO: its functions, and a copy whose functions begin with jumps to the shims. The bytes may be a
// peer's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

constexpr size_t kMaxVdso = 256 << 10;  // bytes; today's have 8 KiB

struct VdsoFunction {
    std::string name;
    uint64_t offset = 0, size = 0;  // from the image's beginning
};
// What it exports, ordered by place. Every function lies inside the image.
Expected<std::vector<VdsoFunction>> vdso_functions(std::span<const std::byte> image);
// 0 when there is no such function.
uint64_t offset_of(const std::vector<VdsoFunction>& functions, std::string_view name);

// What a copy of home's vDSO is made into for a guest. A function begins with a jump of 5 bytes to a trampoline, which is
// `movabs r11, SHIM; jmp r11` (no argument is passed in r11). All other code of home's, and the jump from its second byte on,
// faults at that instruction (SIGILL or SIGSEGV) and does nothing: a handler's frame may hold an address in there, when the
// signal came there at home and the program moved before the handler returned. What is left of such a function runs at home.
//
// A jump whose distance consists of bytes that fault reaches few places. Directly below the image, where home's kernel has
// its data (vvar), there are always some.
constexpr size_t kEntryJump = 5, kTrampoline = 13;
constexpr size_t kTrampolineSecond = 10;  // where its second instruction is
struct Trampoline {
    uint64_t function = 0;  // offset from the image's beginning
    uint64_t below = 0;     // it begins so many bytes below the image
    uint64_t shim = 0;      // where it leads to: offset from kShimsOffset
};
// One for each function that has a shim, none of them over another, all within `room` bytes below the image. Error: a
// function that there is no shim for, or no place in the room.
Expected<std::vector<Trampoline>> place_trampolines(const std::vector<VdsoFunction>& functions, uint64_t room);

// Patches the copy, of which these are vdso_functions() and place_trampolines(), for shims of an agent at `agent_base`. Returns
// what has to stand in the `room` bytes below it.
std::string patch_vdso(std::span<std::byte> image, const std::vector<VdsoFunction>& functions,
                       const std::vector<Trampoline>& trampolines, uint64_t agent_base, uint64_t room);

}  // namespace pmi
