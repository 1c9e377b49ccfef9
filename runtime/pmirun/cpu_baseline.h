// --cpu-baseline: which instruction-set extensions glibc must not pick (GLIBC_TUNABLES, glibc.cpu.hwcaps), so
// that a program whose function pointers are already bound can later run on an older CPU.
#pragma once
#include <string>
#include <string_view>

namespace pmi::launch {

// Tells whoever moves the program, as long as it is in its environment.
constexpr const char* kBaselineVariable = "PMI_CPU_BASELINE";

bool is_cpu_baseline(std::string_view level);
// The value for GLIBC_TUNABLES: `inherited` (the variable's value so far, or empty) plus the mask for the
// level.
std::string tunables_for_baseline(std::string_view level, std::string_view inherited);

}  // namespace pmi::launch
