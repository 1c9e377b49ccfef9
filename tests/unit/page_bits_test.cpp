#include "runtime/memory/page_bits.h"

#include <gtest/gtest.h>

#include <random>

namespace pmi {
namespace {

constexpr uint64_t kPage = 4096;

PageRun pages(uint64_t from, uint64_t to) { return {from * kPage, to * kPage}; }

TEST(PageBits, TellsWhatIsLeft) {
    PageBits bits(PageSet({pages(10, 20), pages(100, 300)}));
    EXPECT_EQ(bits.pages(), 210U);
    EXPECT_TRUE(bits.contains(10 * kPage));
    EXPECT_TRUE(bits.contains(299 * kPage + 5));
    EXPECT_FALSE(bits.contains(20 * kPage));
    EXPECT_FALSE(bits.contains(0));
    bits.remove(15 * kPage, 150 * kPage);
    EXPECT_EQ(bits.pages(), 155U);
    EXPECT_FALSE(bits.contains(15 * kPage));
    EXPECT_FALSE(bits.contains(149 * kPage));
    EXPECT_TRUE(bits.contains(150 * kPage));
    bits.remove(15 * kPage, 150 * kPage);
    EXPECT_EQ(bits.pages(), 155U);
}

TEST(PageBits, FindsRunsInOrder) {
    PageBits bits(PageSet({pages(10, 20), pages(100, 300)}));
    bits.remove(12 * kPage, 13 * kPage);
    EXPECT_EQ(bits.next(0, ~uint64_t{0}, 100), pages(10, 12));
    EXPECT_EQ(bits.next(12 * kPage, ~uint64_t{0}, 3), pages(13, 16));
    EXPECT_EQ(bits.next(20 * kPage, ~uint64_t{0}, 1000), pages(100, 300));
    EXPECT_EQ(bits.next(0, 11 * kPage, 100), pages(10, 11));
    PageRun none = bits.next(20 * kPage, 100 * kPage, 100);
    EXPECT_EQ(none.start, none.end);
}

TEST(PageBits, AgreesWithASet) {
    PageSet set({pages(1, 70), pages(128, 129), pages(500, 900)});
    PageBits bits(set);
    std::mt19937 random(1);
    while (!set.empty()) {
        uint64_t from = random() % 900, to = from + 1 + random() % 9;
        set.subtract(PageSet({pages(from, to)}));
        bits.remove(from * kPage, to * kPage);
        ASSERT_EQ(bits.pages() * kPage, set.bytes());
        PageSet found;
        for (PageRun run = bits.next(0, 1000 * kPage, 5); run.start < run.end; run = bits.next(run.end, 1000 * kPage, 5))
            found.add(run.start, run.end);
        ASSERT_EQ(found, set);
    }
    EXPECT_TRUE(bits.empty());
}

}  // namespace
}  // namespace pmi
