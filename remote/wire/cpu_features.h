// CPU features that a program can see with CPUID and use with plain instructions. Libraries choose their code
// once, at start, so a program may run only where everything that its home has is there too.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace pmi {

// Machine.cpuid holds these words in this order. New ones go to the end.
enum class CpuidWord : uint8_t {
    Leaf1Ecx,
    Leaf1Edx,
    Leaf7Ebx,
    Leaf7Ecx,
    Leaf7Edx,
    Leaf7_1Eax,
    Leaf7_1Ecx,
    Leaf7_1Edx,
    LeafD_1Eax,
    Ext1Ecx,
    Ext1Edx,
    Ext8Ebx,
    kCount
};
constexpr size_t kCpuidWords = static_cast<size_t>(CpuidWord::kCount);

struct CpuFeature {
    CpuidWord word;
    uint8_t bit;
    uint64_t xcr0;     // state components the kernel must have enabled, or the feature can't be used
    const char* name;  // as in /proc/cpuinfo
};
// Left out: what only the kernel uses (pcid, smep, xsaves...), hints that do no harm where they are missing
// (prefetchw, erms, cldemote), and AMX, which a program has to ask the kernel for; its live state is
// looked at (xstate.h).
std::span<const CpuFeature> cpu_features();

std::array<uint32_t, kCpuidWords> read_cpuid_words();
uint64_t read_xcr0();  // 0 without XSAVE

struct XstatePlace {
    uint32_t size = 0, offset = 0;  // in the standard format; 0: the CPU has no such component
};
XstatePlace read_xstate_layout(unsigned component);
// "AVX-512 opmask" and the like.
std::string_view xstate_name(unsigned component);

}  // namespace pmi
