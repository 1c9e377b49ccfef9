// Another process's memory: here our own, which the kernel treats alike.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "runtime/tracee/memory.h"

namespace pmi {
namespace {

constexpr size_t kPageSize = 4096;
constexpr size_t kPages = 300;  // more than one call takes

class PagesWithHole : public ::testing::TestWithParam<size_t> {
  protected:
    void SetUp() override {
        base_ = ::mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(base_, MAP_FAILED);
        for (size_t i = 0; i < kPages; i++) addresses_.push_back(reinterpret_cast<uint64_t>(base_) + i * kPageSize + i % kPageSize);
        if (GetParam() >= kPages) return;
        auto* page = static_cast<std::byte*>(base_) + GetParam() * kPageSize;
        ASSERT_EQ(::mprotect(page, kPageSize, PROT_NONE), 0);
    }
    void TearDown() override { ::munmap(base_, kPages * kPageSize); }
    void* base_ = nullptr;
    std::vector<uint64_t> addresses_;
};

TEST_P(PagesWithHole, CountsUpToIt) { EXPECT_EQ(RemoteMemory(::getpid()).count_readable(addresses_), GetParam()); }

INSTANTIATE_TEST_SUITE_P(At, PagesWithHole, ::testing::Values(0, 1, 127, 128, 129, 255, 256, 299, kPages));

TEST(RemoteMemory, NothingToCount) { EXPECT_EQ(RemoteMemory(::getpid()).count_readable({}), 0u); }

}  // namespace
}  // namespace pmi
