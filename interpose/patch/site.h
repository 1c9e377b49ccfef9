// Which system call sites can be patched. A site is patched where it loads the call's number:
//
//     mov eax, NR    5 bytes (or mov rax, NR: 7)   ->   jmp STUB
//     syscall                                            syscall, as it was
//
// One instruction takes the place of one: every other one stays where it was, so that whoever jumps into the site, is about
// to make the call, returns from it or makes it again (the kernel goes back by the two bytes of `syscall`) finds what was there
// before. That is why neither the `syscall` itself is replaced nor what follows it: who would come back there can't be known
// without knowing the whole program. It is enough, too: a stub has to know the number, and where it isn't loaded right
// before the call it can be any.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/error.h"

namespace pmi {

constexpr size_t kJumpSize = 5;
constexpr size_t kSyscallSize = 2;
// How much of the code before a site is looked at.
constexpr size_t kSiteWindow = 96;

using JumpBytes = std::array<std::byte, kJumpSize>;

struct Site {
    uint64_t load = 0;    // the instruction that loads the number
    uint64_t resume = 0;  // behind the `syscall`
    int64_t nr = 0;
    JumpBytes original{};  // what stands at `load`
    uint64_t syscall() const { return resume - kSyscallSize; }
};

// The site whose call number `nr` was seen to come from `resume`. `code` ends at `resume`; the more of it, up to kSiteWindow, the
// better. An Error says why it is none.
//
// That the bytes before the `syscall` are an instruction, and not the end of a longer one, is found out by decoding: wherever one
// begins to read well before the site, reading on meets this instruction if it meets the call.
Expected<Site> find_site(std::span<const std::byte> code, uint64_t resume, int64_t nr);

// jmp rel32. Error: out of its reach.
Expected<JumpBytes> make_jump(uint64_t from, uint64_t to);

}  // namespace pmi
