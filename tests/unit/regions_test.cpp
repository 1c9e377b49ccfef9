// What describe_regions() takes from an earlier description has to be what smaps says.
#include "runtime/memory/regions.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

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

}  // namespace
}  // namespace pmi
