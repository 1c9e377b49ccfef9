#include "remote/wire/cpu_features.h"

#include <cpuid.h>

namespace pmi {

namespace {

constexpr uint64_t kAvx = 0x6;      // XCR0: SSE, AVX
constexpr uint64_t kAvx512 = 0xe6;  // and opmask, ZMM_Hi256, Hi16_ZMM
constexpr uint64_t kPkru = 0x200;
constexpr uint64_t kApx = 1u << 19;

using enum CpuidWord;

constexpr CpuFeature kFeatures[] = {
    {Leaf1Ecx, 0, 0, "sse3"},
    {Leaf1Ecx, 1, 0, "pclmulqdq"},
    {Leaf1Ecx, 9, 0, "ssse3"},
    {Leaf1Ecx, 12, kAvx, "fma"},
    {Leaf1Ecx, 13, 0, "cx16"},
    {Leaf1Ecx, 19, 0, "sse4_1"},
    {Leaf1Ecx, 20, 0, "sse4_2"},
    {Leaf1Ecx, 22, 0, "movbe"},
    {Leaf1Ecx, 23, 0, "popcnt"},
    {Leaf1Ecx, 25, 0, "aes"},
    {Leaf1Ecx, 27, 0, "osxsave"},
    {Leaf1Ecx, 28, kAvx, "avx"},
    {Leaf1Ecx, 29, kAvx, "f16c"},
    {Leaf1Ecx, 30, 0, "rdrand"},
    {Leaf1Edx, 0, 0, "fpu"},
    {Leaf1Edx, 4, 0, "tsc"},
    {Leaf1Edx, 8, 0, "cx8"},
    {Leaf1Edx, 15, 0, "cmov"},
    {Leaf1Edx, 19, 0, "clflush"},
    {Leaf1Edx, 23, 0, "mmx"},
    {Leaf1Edx, 24, 0, "fxsr"},
    {Leaf1Edx, 25, 0, "sse"},
    {Leaf1Edx, 26, 0, "sse2"},
    {Leaf7Ebx, 0, 0, "fsgsbase"},
    {Leaf7Ebx, 3, 0, "bmi1"},
    {Leaf7Ebx, 5, kAvx, "avx2"},
    {Leaf7Ebx, 8, 0, "bmi2"},
    {Leaf7Ebx, 11, 0, "rtm"},
    {Leaf7Ebx, 16, kAvx512, "avx512f"},
    {Leaf7Ebx, 17, kAvx512, "avx512dq"},
    {Leaf7Ebx, 18, 0, "rdseed"},
    {Leaf7Ebx, 19, 0, "adx"},
    {Leaf7Ebx, 21, kAvx512, "avx512ifma"},
    {Leaf7Ebx, 23, 0, "clflushopt"},
    {Leaf7Ebx, 24, 0, "clwb"},
    {Leaf7Ebx, 26, kAvx512, "avx512pf"},
    {Leaf7Ebx, 27, kAvx512, "avx512er"},
    {Leaf7Ebx, 28, kAvx512, "avx512cd"},
    {Leaf7Ebx, 29, 0, "sha_ni"},
    {Leaf7Ebx, 30, kAvx512, "avx512bw"},
    {Leaf7Ebx, 31, kAvx512, "avx512vl"},
    {Leaf7Ecx, 1, kAvx512, "avx512vbmi"},
    {Leaf7Ecx, 4, kPkru, "ospke"},
    {Leaf7Ecx, 5, 0, "waitpkg"},
    {Leaf7Ecx, 6, kAvx512, "avx512_vbmi2"},
    {Leaf7Ecx, 8, 0, "gfni"},
    {Leaf7Ecx, 9, kAvx, "vaes"},
    {Leaf7Ecx, 10, kAvx, "vpclmulqdq"},
    {Leaf7Ecx, 11, kAvx512, "avx512_vnni"},
    {Leaf7Ecx, 12, kAvx512, "avx512_bitalg"},
    {Leaf7Ecx, 14, kAvx512, "avx512_vpopcntdq"},
    {Leaf7Ecx, 22, 0, "rdpid"},
    {Leaf7Ecx, 27, 0, "movdiri"},
    {Leaf7Ecx, 28, 0, "movdir64b"},
    {Leaf7Edx, 2, kAvx512, "avx512_4vnniw"},
    {Leaf7Edx, 3, kAvx512, "avx512_4fmaps"},
    {Leaf7Edx, 8, kAvx512, "avx512_vp2intersect"},
    {Leaf7Edx, 14, 0, "serialize"},
    {Leaf7Edx, 16, 0, "tsxldtrk"},
    {Leaf7Edx, 23, kAvx512, "avx512_fp16"},
    {Leaf7_1Eax, 0, kAvx, "sha512"},
    {Leaf7_1Eax, 1, kAvx, "sm3"},
    {Leaf7_1Eax, 2, kAvx, "sm4"},
    {Leaf7_1Eax, 3, 0, "rao_int"},
    {Leaf7_1Eax, 4, kAvx, "avx_vnni"},
    {Leaf7_1Eax, 5, kAvx512, "avx512_bf16"},
    {Leaf7_1Eax, 7, 0, "cmpccxadd"},
    {Leaf7_1Eax, 23, kAvx, "avx_ifma"},
    {Leaf7_1Edx, 4, kAvx, "avx_vnni_int8"},
    {Leaf7_1Edx, 5, kAvx, "avx_ne_convert"},
    {Leaf7_1Edx, 10, kAvx, "avx_vnni_int16"},
    {Leaf7_1Edx, 19, kAvx512, "avx10"},
    {Leaf7_1Edx, 21, kApx, "apx_f"},
    // ld.so saves registers with XSAVEC when it binds a symbol, chosen at start.
    {LeafD_1Eax, 0, 0, "xsaveopt"},
    {LeafD_1Eax, 1, 0, "xsavec"},
    {LeafD_1Eax, 2, 0, "xgetbv1"},
    {Ext1Ecx, 0, 0, "lahf_lm"},
    {Ext1Ecx, 5, 0, "abm"},
    {Ext1Ecx, 6, 0, "sse4a"},
    {Ext1Ecx, 11, kAvx, "xop"},
    {Ext1Ecx, 16, kAvx, "fma4"},
    {Ext1Ecx, 21, 0, "tbm"},
    {Ext1Ecx, 29, 0, "mwaitx"},
    {Ext1Edx, 22, 0, "mmxext"},
    {Ext1Edx, 27, 0, "rdtscp"},
    {Ext1Edx, 29, 0, "lm"},
    {Ext1Edx, 30, 0, "3dnowext"},
    {Ext1Edx, 31, 0, "3dnow"},
    {Ext8Ebx, 0, 0, "clzero"},
    {Ext8Ebx, 4, 0, "rdpru"},
};

struct Registers {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero for a leaf that the CPU doesn't have (Intel answers such a question with its highest leaf).
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
    Registers r;
    // GCC's header says unsigned, clang's int.
    if (static_cast<uint32_t>(__get_cpuid_max(leaf & 0x80000000u, nullptr)) < leaf) return r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

}  // namespace

std::span<const CpuFeature> cpu_features() { return kFeatures; }

std::array<uint32_t, kCpuidWords> read_cpuid_words() {
    Registers leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0);
    Registers leaf7_1 = leaf7.eax >= 1 ? cpuid(7, 1) : Registers{};
    Registers ext1 = cpuid(0x80000001, 0), ext8 = cpuid(0x80000008, 0);
    return {leaf1.ecx,   leaf1.edx,   leaf7.ebx,         leaf7.ecx, leaf7.edx, leaf7_1.eax,
            leaf7_1.ecx, leaf7_1.edx, cpuid(0xd, 1).eax, ext1.ecx,  ext1.edx,  ext8.ebx};
}

uint64_t read_xcr0() {
    if ((cpuid(1, 0).ecx & bit_OSXSAVE) == 0) return 0;
    uint32_t low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<uint64_t>(high) << 32) | low;
}

XstatePlace read_xstate_layout(unsigned component) {
    if (component == 0) return {160, 0};    // the legacy area of FXSAVE: x87...
    if (component == 1) return {256, 160};  // ...and SSE
    Registers r = cpuid(0xd, component);
    return {r.eax, r.ebx};
}

std::string_view xstate_name(unsigned component) {
    switch (component) {
        case 0: return "x87";
        case 1: return "SSE";
        case 2: return "AVX";
        case 3: return "MPX bounds";
        case 4: return "MPX config";
        case 5: return "AVX-512 opmask";
        case 6: return "AVX-512 upper halves";
        case 7: return "AVX-512 upper registers";
        case 9: return "protection keys";
        case 11: return "shadow stack";
        case 17: return "AMX tile config";
        case 18: return "AMX tile data";
        case 19: return "APX registers";
        default: return "unknown";
    }
}

}  // namespace pmi
