#include "runtime/memory/page_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace pmi {
namespace {

constexpr uint64_t kPages = 60;

// The plain thing that a PageSet has to be equal to.
std::set<uint64_t> members(const PageSet& set) {
    std::set<uint64_t> all;
    for (const auto& r : set.runs())
        for (uint64_t at = r.start; at < r.end; at++) all.insert(at);
    return all;
}

PageSet random_set(std::mt19937& random) {
    PageSet set;
    for (int n = static_cast<int>(random() % 8); n > 0; n--) {
        uint64_t start = random() % kPages;
        set.add(start, start + 1 + random() % 9);
    }
    return set;
}

TEST(PageSet, AgreesWithSetsOfNumbers) {
    std::mt19937 random(7);
    for (int round = 0; round < 5000; round++) {
        PageSet a = random_set(random), b = random_set(random);
        auto plain_a = members(a), plain_b = members(b);
        PageSet both = a, without = a, common = a;
        both.unite(b), without.subtract(b), common.intersect(b);
        std::set<uint64_t> all = plain_a, rest, shared;
        all.insert(plain_b.begin(), plain_b.end());
        for (uint64_t page : plain_a) (plain_b.contains(page) ? shared : rest).insert(page);
        ASSERT_EQ(members(both), all);
        ASSERT_EQ(members(without), rest);
        ASSERT_EQ(members(common), shared);
        ASSERT_EQ(a.bytes(), plain_a.size());
        for (uint64_t page = 0; page < kPages + 10; page++) ASSERT_EQ(a.contains(page), plain_a.contains(page));
    }
}

TEST(PageSet, RunsAreOrderedAndApart) {
    PageSet set({{5, 7}, {1, 3}, {3, 4}, {6, 9}});
    EXPECT_EQ(set.runs(), (std::vector<PageRun>{{1, 4}, {5, 9}}));
}

}  // namespace
}  // namespace pmi
