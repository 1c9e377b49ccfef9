// Where on the stack the function that a thread is in has its return address: read off its instructions. In compiled code the
// height of the stack at an instruction is the same on all ways to it (without that nothing could unwind it), so any way from there
// to a `ret` tells; some are asked. The vDSO has unwind tables too (vdso(7)), but these would need an interpreter of their own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/tracee/ptrace.h"

namespace pmi {

// `code`: what is mapped at `start`, with r.rip in it. Nothing where it can't be told for sure: the stack is moved by what is
// computed, ways differ, or the function is too large. Only instructions are looked at, and no memory.
std::optional<uint64_t> find_return_slot(std::span<const std::byte> code, uint64_t start, const Registers& r);

// Whether a call instruction may end where `after` ends: what a return address should stand behind.
bool ends_with_call(std::span<const std::byte> before);

}  // namespace pmi
