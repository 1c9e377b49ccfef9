#include "remote/wire/compatibility.h"

#include <gtest/gtest.h>

#include "remote/wire/cpu_features.h"
#include "remote/wire/kernel_probes.h"
#include "remote/wire/machine.h"

namespace {

using namespace pmi;

class Compatibility : public ::testing::Test {
  protected:
    void SetUp() override {
        auto described = describe_machine("here");
        ASSERT_TRUE(described) << described.error().message();
        home_ = node_ = *described;
        node_.set_name("there");
        node_.set_memory_available(1ull << 40);
    }
    std::string reason(uint64_t memory = 0) {
        auto status = check_compatible(home_, node_, memory);
        return status ? "" : status.error().message();
    }
    static void set(wire::Machine& machine, CpuidWord word, int bit, bool value) {
        int i = static_cast<int>(word);
        uint32_t mask = 1u << bit;
        machine.set_cpuid(i, value ? machine.cpuid(i) | mask : machine.cpuid(i) & ~mask);
    }
    wire::Machine home_, node_;
};

TEST_F(Compatibility, ThisMachineIsDescribed) {
    EXPECT_EQ(home_.protocol_version(), kProtocolVersion);
    EXPECT_EQ(home_.name(), "here");
    EXPECT_EQ(home_.page_size(), 4096u);
    EXPECT_EQ(static_cast<size_t>(home_.cpuid_size()), kCpuidWords);
    EXPECT_GT(home_.memory_total(), home_.memory_available());
    EXPECT_GT(home_.memory_available(), 0u);
    EXPECT_GT(home_.cpus(), 0u);
    EXPECT_FALSE(home_.cpu_model().empty());
    EXPECT_EQ(home_.xcr0() & 3, 3u);
    EXPECT_EQ(show(KernelProbes{true, false}), "dirty tracking: yes, post-copy: no");
}

TEST_F(Compatibility, SameMachine) { EXPECT_EQ(reason(1 << 20), ""); }

TEST_F(Compatibility, ProtocolVersion) {
    node_.set_protocol_version(99);
    EXPECT_NE(reason().find("protocol version differs: home " + std::to_string(kProtocolVersion)), std::string::npos) << reason();
}

TEST_F(Compatibility, PageSize) {
    node_.set_page_size(65536);
    EXPECT_NE(reason().find("page size differs"), std::string::npos);
}

TEST_F(Compatibility, CpuFeatureIsNamed) {
    set(home_, CpuidWord::Leaf1Ecx, 20, true);
    set(node_, CpuidWord::Leaf1Ecx, 20, false);
    EXPECT_EQ(reason(), "CPU feature sse4_2 is missing on node there");
}

TEST_F(Compatibility, NodeMayHaveMore) {
    for (auto& f : cpu_features()) set(home_, f.word, f.bit, false);
    EXPECT_EQ(reason(), "");
}

TEST_F(Compatibility, FeatureThatTheKernelDoesNotEnableIsNotThere) {
    home_.set_xcr0(0xe7);
    set(home_, CpuidWord::Leaf7Ebx, 16, true);
    set(node_, CpuidWord::Leaf7Ebx, 16, true);
    node_.set_xcr0(7);
    EXPECT_EQ(reason(), "CPU feature avx512f is missing on node there");
    home_.set_xcr0(7);
    EXPECT_EQ(reason(), "");
}

TEST_F(Compatibility, KernelOnlyFeaturesDoNotMatter) {
    set(home_, CpuidWord::Leaf1Ecx, 17, true);  // pcid
    set(node_, CpuidWord::Leaf1Ecx, 17, false);
    set(home_, CpuidWord::Leaf7Ebx, 7, true);  // smep
    set(node_, CpuidWord::Leaf7Ebx, 7, false);
    EXPECT_EQ(reason(), "");
}

TEST_F(Compatibility, KernelsMayDiffer) {
    node_.set_kernel_release("6.1.0-56-amd64");
    EXPECT_EQ(reason(), "");
}

TEST_F(Compatibility, Memory) {
    node_.set_memory_available(100 << 20);
    EXPECT_EQ(reason(100 << 20), "");
    EXPECT_EQ(reason(101 << 20), "memory: 101 MiB are needed, node there has 100 MiB free");
}

TEST_F(Compatibility, HostileDescriptions) {
    wire::Machine empty;
    EXPECT_FALSE(check_compatible(home_, empty, ~0ull));
    EXPECT_FALSE(check_compatible(empty, node_, ~0ull));
    node_.set_name(std::string("evil\n\x1b[2J") + std::string(1000, 'x'));
    set(home_, CpuidWord::Leaf1Edx, 26, true);
    set(node_, CpuidWord::Leaf1Edx, 26, false);
    std::string text = reason();
    EXPECT_LT(text.size(), 200u);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST_F(Compatibility, Baseline) {
    for (auto& f : cpu_features()) {
        set(home_, f.word, f.bit, true);
        set(node_, f.word, f.bit, false);
    }
    home_.set_xcr0(0xe7);
    node_.set_xcr0(0xe7);
    wire::Machine full = home_;
    EXPECT_FALSE(limit_to_baseline(&home_, "x86-64-v9"));
    ASSERT_TRUE(limit_to_baseline(&home_, "x86-64-v3"));
    for (auto& f : cpu_features()) {
        bool has = home_.cpuid(static_cast<int>(f.word)) >> f.bit & 1;
        std::string name = f.name;
        if (name == "avx2" || name == "sse2" || name == "cx16") {
            EXPECT_TRUE(has) << name;
        }
        if (name == "avx512f" || name == "sha_ni" || name == "sse4a") {
            EXPECT_FALSE(has) << name;
        }
    }
    node_ = home_;
    EXPECT_EQ(reason(), "");
    home_ = full;
    EXPECT_NE(reason(), "");
    ASSERT_TRUE(limit_to_baseline(&home_, "x86-64-v4"));
    EXPECT_NE(reason().find("avx512"), std::string::npos);
}

}  // namespace
