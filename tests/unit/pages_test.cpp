#include "runtime/memory/pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace pmi {
namespace {

constexpr uint64_t kPage = 4096;

// More runs than the kernel finds in one go, and not a multiple of it.
TEST(Pages, EachRunIsToldOnce) {
    constexpr size_t kRuns = 1080;
    auto* memory =
        static_cast<char*>(::mmap(nullptr, 2 * kRuns * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory, MAP_FAILED);
    ASSERT_EQ(::madvise(memory, 2 * kRuns * kPage, MADV_NOHUGEPAGE), 0);
    auto start = reinterpret_cast<uint64_t>(memory);
    std::vector<PageRun> wanted;
    for (size_t i = 0; i < kRuns; i++) {
        memory[2 * i * kPage] = 1;
        wanted.push_back({start + 2 * i * kPage, start + (2 * i + 1) * kPage});
    }
    auto pages = PageMap::open(::getpid());
    ASSERT_TRUE(pages.ok()) << pages.error().message();
    auto own = pages->own_pages(start, start + 2 * kRuns * kPage);
    ASSERT_TRUE(own.ok()) << own.error().message();
    EXPECT_EQ(*own, wanted);
    ::munmap(memory, 2 * kRuns * kPage);
}

}  // namespace
}  // namespace pmi
