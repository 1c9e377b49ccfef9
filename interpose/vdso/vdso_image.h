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

// The jump that a function of the copy begins with: movabs r11, SHIM; jmp r11. No argument is passed in r11.
constexpr size_t kShimJump = 13;
constexpr size_t kShimJumpSecond = 10;  // where its second instruction is

// Puts in the jumps, for shims of an agent at `agent_base`. Error for a function that there is no shim for.
Status patch_vdso(std::span<std::byte> image, uint64_t agent_base);

}  // namespace pmi
