#include "runtime/memory/pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "runtime/memory/guard_pages.h"

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

// Among pages that hold something, and where nothing was.
TEST(Pages, GuardPagesAreNotOwn) {
    if (!tells_guard_pages()) GTEST_SKIP() << "this kernel does not tell of guard pages";
    constexpr size_t kPages = 16;
    void* memory = ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    ASSERT_EQ(::madvise(memory, kPages * kPage, MADV_NOHUGEPAGE), 0);
    auto at = [&](size_t page) { return static_cast<char*>(memory) + page * kPage; };
    auto start = reinterpret_cast<uint64_t>(memory), end = start + kPages * kPage;
    auto run = [&](size_t from, size_t to) { return PageRun{start + from * kPage, start + to * kPage}; };
    for (size_t page = 0; page < 8; page++) *at(page) = 1;
    ASSERT_EQ(::madvise(at(2), 3 * kPage, kGuardInstall), 0);
    ASSERT_EQ(::madvise(at(12), 2 * kPage, kGuardInstall), 0);
    auto guards = find_guard_pages(::getpid(), {{start, start + 4 * kPage}, {start + 4 * kPage, end}});
    ASSERT_TRUE(guards.ok()) << guards.error().message();
    EXPECT_EQ(guards->runs(), (std::vector<PageRun>{run(2, 5), run(12, 14)}));
    auto pages = PageMap::open(::getpid());
    ASSERT_TRUE(pages.ok()) << pages.error().message();
    for (auto found : {pages->own_pages(start, end), pages->present_pages(start, end)}) {
        ASSERT_TRUE(found.ok()) << found.error().message();
        EXPECT_EQ(*found, (std::vector<PageRun>{run(0, 2), run(5, 8)}));
    }
    ASSERT_EQ(::madvise(memory, kPages * kPage, kGuardRemove), 0);
    guards = find_guard_pages(::getpid(), {{start, end}});
    ASSERT_TRUE(guards.ok()) << guards.error().message();
    EXPECT_TRUE(guards->empty());
    ::munmap(memory, kPages * kPage);
}

}  // namespace
}  // namespace pmi
