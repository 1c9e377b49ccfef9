#include "runtime/pmirun/cpu_baseline.h"

namespace pmi::launch {
namespace {

// What each level adds to the one below it, by glibc's names. XSAVEC isn't part of any level, but the
// lazy-binding trampoline uses it wherever it is there; the first CPUs with AVX-512 have it, those with only
// AVX2 may not. AVX_Fast_Unaligned_Load is a preference, yet on its own it makes memcpy pick AVX. RTM is on
// no level at all.
struct Level {
    std::string_view name;
    std::string_view added;
};
constexpr Level kLevels[] = {
    {"x86-64", ""},
    {"x86-64-v2", "-SSE3,-SSSE3,-SSE4_1,-SSE4_2,-POPCNT"},
    {"x86-64-v3", "-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-BMI1,-BMI2,-F16C,-FMA,-FMA4,-LZCNT,-MOVBE,-XSAVE"},
    {"x86-64-v4", "-AVX512F,-AVX512BW,-AVX512CD,-AVX512DQ,-AVX512VL,-AVX512ER,-AVX512PF,-XSAVEC"},
};
constexpr std::string_view kOnNoLevel = "-RTM";
constexpr std::string_view kTunable = "glibc.cpu.hwcaps=";

std::string mask_above(std::string_view level) {
    std::string mask(kOnNoLevel);
    bool above = false;
    for (const Level& l : kLevels) {
        if (above) mask.append(",").append(l.added);
        if (l.name == level) above = true;
    }
    return mask;
}

}  // namespace

bool is_cpu_baseline(std::string_view level) {
    for (const Level& l : kLevels)
        if (l.name == level) return true;
    return false;
}

std::string tunables_for_baseline(std::string_view level, std::string_view inherited) {
    std::string mask = mask_above(level);
    std::string value(inherited);
    size_t at = value.find(kTunable);
    if (at != std::string::npos) return value.insert(at + kTunable.size(), mask + ",");
    if (!value.empty()) value += ":";
    return value.append(kTunable).append(mask);
}

}  // namespace pmi::launch
