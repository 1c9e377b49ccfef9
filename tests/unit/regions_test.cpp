// What describe_regions() takes from an earlier description has to be what smaps says.
#include "runtime/memory/regions.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

namespace pmi {
namespace {

constexpr uint64_t kBytes = 4096;

class RegionsTest : public testing::Test {
  protected:
    void SetUp() override {
        memory_ = static_cast<char*>(::mmap(nullptr, 64 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory_, MAP_FAILED);
        // With gaps around them: what others map does not merge with these.
        ASSERT_EQ(::mprotect(memory_, 8 * kBytes, PROT_NONE), 0);
        ASSERT_EQ(::mprotect(memory_ + 56 * kBytes, 8 * kBytes, PROT_NONE), 0);
        ASSERT_EQ(::madvise(memory_ + 20 * kBytes, 4 * kBytes, MADV_DONTFORK), 0);
    }
    void TearDown() override { ::munmap(memory_, 64 * kBytes); }

    // Addresses, protections and flags of our own part.
    std::string describe(const wire::Image* before, wire::Image* all = nullptr) {
        wire::Image image;
        auto done = describe_regions(::getpid(), {}, image, before);
        if (!done) return done.error().message();
        std::string text;
        auto start = reinterpret_cast<uint64_t>(memory_);
        for (const auto& r : image.regions())
            if (r.start() < start + 64 * kBytes && r.end() > start)
                text += std::to_string((r.start() - start) / kBytes) + "-" + std::to_string((r.end() - start) / kBytes) + " " +
                        std::to_string(r.protection()) + " " + r.vm_flags() + "\n";
        if (all != nullptr) *all = std::move(image);
        return text;
    }
    void expect_the_same_after(const std::function<void()>& change) {
        wire::Image before;
        describe(nullptr, &before);
        change();
        EXPECT_EQ(describe(&before), describe(nullptr));
    }

    char* memory_ = nullptr;
};

TEST_F(RegionsTest, NothingHasChanged) {
    expect_the_same_after([] {});
}

TEST_F(RegionsTest, OneIsCutByItsProtection) {
    expect_the_same_after([this] { ::mprotect(memory_ + 30 * kBytes, 2 * kBytes, PROT_READ); });
}

TEST_F(RegionsTest, OneIsCutByItsFlags) {
    expect_the_same_after([this] { ::madvise(memory_ + 30 * kBytes, 2 * kBytes, MADV_DONTDUMP); });
}

TEST_F(RegionsTest, TwoHaveBecomeOne) {
    expect_the_same_after([this] { ::madvise(memory_ + 20 * kBytes, 4 * kBytes, MADV_DOFORK); });
}

TEST_F(RegionsTest, OneLosesItsMiddle) {
    expect_the_same_after([this] { ::munmap(memory_ + 40 * kBytes, 2 * kBytes); });
}

MapsEntry mapping(uint64_t start, uint64_t size, const char* name, bool exec = false) {
    MapsEntry m;
    m.start = start;
    m.end = start + size;
    m.read = true;
    m.exec = exec;
    m.inode = 1;
    m.name = name;
    return m;
}

constexpr uint64_t kLibraries = uint64_t{0x7f12} << 32, kMiB = 1 << 20, kGiB = 1 << 30;
std::vector<MapsEntry> dynamic_program(uint64_t libraries = kLibraries, uint64_t stack = kLibraries + 300 * kGiB) {
    return {mapping(uint64_t{0x5555} << 32, kMiB, "/bin/program", true),
            mapping((uint64_t{0x5555} << 32) + 2 * kMiB, kMiB, "[heap]"), mapping(libraries, kMiB, "/lib/libc.so.6", true),
            mapping(libraries + 4 * kMiB, kMiB, "/lib/ld-linux-x86-64.so.2", true), mapping(stack, kMiB, "[stack]")};
}
bool is_near(uint64_t base, uint64_t library) { return base > library && base + kAgentSize - library < uint64_t{1} << 31; }
bool is_free(uint64_t base, const std::vector<MapsEntry>& maps) {
    AddressRange place{base, base + kAgentSize};
    return std::none_of(maps.begin(), maps.end(), [&](const MapsEntry& m) { return place.overlaps(m.start, m.end); });
}

TEST(AgentPlace, AboveTheLibraries) {
    for (int i = 0; i < 50; i++) {
        auto maps = dynamic_program();
        auto base = choose_agent_base(maps);
        ASSERT_TRUE(base);
        EXPECT_TRUE(is_near(*base, kLibraries)) << std::hex << *base;
        EXPECT_TRUE(is_free(*base, maps));
        EXPECT_EQ(*base % kPage, 0u);
    }
}

TEST(AgentPlace, NotWhereTheStackMayComeNorTheHeap) {
    auto static_program = dynamic_program();
    static_program.erase(static_program.begin() + 2, static_program.begin() + 4);
    auto close_stack = dynamic_program(kLibraries, kLibraries + 15 * kGiB);
    auto at_the_top = dynamic_program((uint64_t{0x7ffb} << 32) - 10 * kMiB, uint64_t{0x7fff} << 32);
    auto heap_above = dynamic_program();
    heap_above.insert(heap_above.begin() + 4, mapping(kLibraries + 6 * kMiB, kMiB, "[heap]"));
    auto upwards = dynamic_program(uint64_t{0x2aaa} << 32);
    for (const auto& maps : {static_program, close_stack, at_the_top, heap_above, upwards}) {
        auto base = choose_agent_base(maps);
        ASSERT_TRUE(base);
        EXPECT_FALSE(is_near(*base, maps[2].start)) << std::hex << *base;
        EXPECT_TRUE(is_free(*base, maps));
    }
}

}  // namespace
}  // namespace pmi
