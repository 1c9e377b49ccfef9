#include "remote/wire/compatibility.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "remote/wire/cpu_features.h"
#include "remote/wire/machine.h"
#include "remote/wire/printable.h"

namespace pmi {

namespace {

std::string shown_name(const wire::Machine& machine) { return machine.name().empty() ? "?" : printable(machine.name()); }

uint32_t word_of(const wire::Machine& machine, CpuidWord word) {
    int index = static_cast<int>(word);
    return index < machine.cpuid_size() ? machine.cpuid(index) : 0;
}

bool has(const wire::Machine& machine, const CpuFeature& feature) {
    bool cpu = (word_of(machine, feature.word) >> feature.bit & 1) != 0;
    return cpu && (machine.xcr0() & feature.xcr0) == feature.xcr0;
}

Status check_cpu(const wire::Machine& home, const wire::Machine& node) {
    for (const CpuFeature& feature : cpu_features())
        if (has(home, feature) && !has(node, feature))
            return fail("CPU feature {} is missing on node {}", feature.name, shown_name(node));
    return {};
}

constexpr std::array<std::string_view, 26> kLevel1To3 = {
    // x86-64
    "cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2", "lm", "tsc", "clflush",
    // x86-64-v2
    "cx16", "lahf_lm", "popcnt", "sse3", "sse4_1", "sse4_2", "ssse3",
    // x86-64-v3
    "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "osxsave"};
constexpr std::array<std::string_view, 5> kLevel4 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};

bool in_baseline(std::string_view name, unsigned level) {
    constexpr size_t kCounts[] = {0, 10, 17, 26, 26};
    auto low = std::span(kLevel1To3).first(kCounts[level]);
    if (std::find(low.begin(), low.end(), name) != low.end()) return true;
    return level == 4 && std::find(kLevel4.begin(), kLevel4.end(), name) != kLevel4.end();
}

}  // namespace

Status check_compatible(const wire::Machine& home, const wire::Machine& node, uint64_t memory_needed) {
    if (home.protocol_version() != node.protocol_version())
        return fail("protocol version differs: home {} (pmi {}), node {} {} (pmi {})", home.protocol_version(),
                    printable(home.pmi_version()), shown_name(node), node.protocol_version(), printable(node.pmi_version()));
    if (home.page_size() != node.page_size())
        return fail("page size differs: home {}, node {} {}", home.page_size(), shown_name(node), node.page_size());
    TRY(check_cpu(home, node));
    if (memory_needed > node.memory_available())
        return fail("memory: {} MiB are needed, node {} has {} MiB free", memory_needed >> 20, shown_name(node),
                    node.memory_available() >> 20);
    return {};
}

Status limit_to_baseline(wire::Machine* home, std::string_view level) {
    constexpr std::array<std::string_view, 4> kLevels = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
    auto found = std::find(kLevels.begin(), kLevels.end(), level);
    if (found == kLevels.end()) return fail("CPU baseline \"{}\": not one of x86-64, x86-64-v2, x86-64-v3, x86-64-v4", level);
    auto number = static_cast<unsigned>(found - kLevels.begin()) + 1;
    for (const CpuFeature& feature : cpu_features()) {
        int index = static_cast<int>(feature.word);
        if (index < home->cpuid_size() && !in_baseline(feature.name, number))
            home->set_cpuid(index, home->cpuid(index) & ~(1u << feature.bit));
    }
    return {};
}

}  // namespace pmi
