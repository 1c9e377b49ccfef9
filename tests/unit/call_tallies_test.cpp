// Counts of calls: added up, and taken from a peer only if they make sense.
#include "remote/wire/call_tallies.h"

#include <gtest/gtest.h>

namespace pmi {
namespace {

CallTally one(int16_t nr, uint16_t at_home, uint64_t ns) {
    CallTally t;
    t.nr = nr;
    t.at_home = at_home;
    t.count = 1;
    t.failed = ns % 2;
    t.total_ns = t.slowest_ns = ns;
    t.travel_ns = ns / 2;
    t.bytes_to_home = 10;
    t.bytes_from_home = 20;
    return t;
}

TEST(CallTallies, AddsUpByCallAndPlace) {
    CallTallies sums;
    sums.add(one(39, 1, 100));
    sums.add(one(39, 1, 301));
    sums.add(one(39, 0, 5));
    sums.add(one(0, 1, 7));
    auto all = sums.all();
    ASSERT_EQ(all.size(), 3u);
    const CallTally& home = all[2];
    EXPECT_EQ(home.nr, 39);
    EXPECT_EQ(home.at_home, 1);
    EXPECT_EQ(home.count, 2u);
    EXPECT_EQ(home.failed, 1u);
    EXPECT_EQ(home.total_ns, 401u);
    EXPECT_EQ(home.slowest_ns, 301u);
    EXPECT_EQ(home.travel_ns, 200u);
    EXPECT_EQ(home.bytes_to_home, 20u);
    EXPECT_EQ(home.bytes_from_home, 40u);
}

TEST(CallTallies, TravelAndArriveAsTheyAre) {
    CallTallies sums;
    sums.add(one(1, 1, 9));
    sums.add(one(231, 0, 4));
    auto got = CallTallies::decode(sums.encode());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->all(), sums.all());
    ASSERT_TRUE(CallTallies::decode({}));
    EXPECT_TRUE(CallTallies::decode({})->empty());
}

TEST(CallTallies, APeersNonsenseIsAnError) {
    std::vector<std::byte> bytes(sizeof(CallTally) + 1);
    EXPECT_FALSE(CallTallies::decode(bytes));
    bytes.resize(sizeof(CallTally) * (kMaxTallies + 1));
    EXPECT_FALSE(CallTallies::decode(bytes));
}

}  // namespace
}  // namespace pmi
