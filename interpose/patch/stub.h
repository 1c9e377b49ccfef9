// The code that a patched site jumps to. It answers from the page of answers, or makes the call itself; either way it goes on
// behind the site. No stack, so that what lies below the stack pointer stays; no flags and no registers but those that a system
// call changes anyway (rax, rcx). So a thread anywhere in it has a place in the unpatched program (put_outside).
//
//          mov   ecx, [answer.is_known]
//          jrcxz call
//          mov   eax, [answer.result]
//   done:  lea   rcx, [resume]       as the kernel leaves it
//          jmp   resume
//   call:  mov   eax, NR
//          syscall
//          jmp   done
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "interpose/patch/site.h"

namespace pmi {

constexpr size_t kStubSize = 128;  // that each takes
using StubCode = std::array<std::byte, kStubSize>;

// `address`: of the stub. Error: one of the three places is out of another's reach.
Expected<StubCode> make_stub_code(const Site& site, uint64_t address, uint64_t answer);

// What of a thread's registers the stub has to do with.
struct StubRegisters {
    uint64_t rip = 0, rcx = 0, rdi = 0;
};
// Where the thread would be if the site were not patched: before the call, at it, or behind it. False: the stub has no instruction
// there.
bool put_outside(const Site& site, uint64_t address, StubRegisters& registers);

}  // namespace pmi
