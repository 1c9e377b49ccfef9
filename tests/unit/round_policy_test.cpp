#include "remote/movers/round_policy.h"

#include <gtest/gtest.h>

namespace pmi {
namespace {

constexpr uint64_t kMiB = 1 << 20;

MoveFacts facts(const char* asked, uint64_t bytes) {
    MoveFacts f;
    f.asked = asked;
    f.bytes = bytes;
    f.no_postcopy = "no userfaultfd there";
    return f;
}
MoveFacts facts_where_memory_can_follow(const char* asked, uint64_t bytes) {
    MoveFacts f = facts(asked, bytes);
    f.no_postcopy.clear();
    return f;
}

TEST(ChooseMode, SmallProgramsGoInRounds) {
    EXPECT_EQ(*choose_mode(facts("auto", 2 * kMiB)), MoveMode::Precopy);
    EXPECT_EQ(*choose_mode(facts("auto", 64 * kMiB)), MoveMode::Precopy);
    EXPECT_EQ(*choose_mode(facts_where_memory_can_follow("auto", 2 * kMiB)), MoveMode::Precopy);
}

TEST(ChooseMode, ASlowLinkMakesSmallThingsLarge) {
    MoveFacts f = facts_where_memory_can_follow("auto", 2 * kMiB);
    f.link = 1e6;
    EXPECT_EQ(*choose_mode(f), MoveMode::PrecopyThenPostcopy);
}

TEST(ChooseMode, WhoWritesFasterThanTheLinkCarriesStops) {
    MoveFacts f = facts("auto", 64 * kMiB);
    f.link = 100e6;
    f.written = 200e6;
    EXPECT_EQ(*choose_mode(f), MoveMode::Stop);
}

TEST(ChooseMode, WithoutTheKernelsHelp) {
    MoveFacts f = facts("auto", 64 * kMiB);
    f.no_precopy = "its page scan is missing";
    EXPECT_EQ(*choose_mode(f), MoveMode::Stop);
    f.asked = "precopy";
    auto forced = choose_mode(f);
    ASSERT_FALSE(forced);
    EXPECT_NE(forced.error().message().find("its page scan is missing"), std::string::npos);
}

TEST(ChooseMode, WhatIsAskedForIsDoneOrRefused) {
    EXPECT_EQ(*choose_mode(facts("stop", 64 * kMiB)), MoveMode::Stop);
    EXPECT_EQ(*choose_mode(facts("precopy", kMiB)), MoveMode::Precopy);
    EXPECT_EQ(*choose_mode(facts_where_memory_can_follow("postcopy", kMiB)), MoveMode::Postcopy);
    auto refused = choose_mode(facts("postcopy", kMiB));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "mode postcopy: no userfaultfd there");
    EXPECT_FALSE(choose_mode(facts("sideways", kMiB)));
}

TEST(ChooseMode, WhereMemoryCanFollow) {
    MoveFacts f = facts_where_memory_can_follow("auto", 64 * kMiB);
    EXPECT_EQ(*choose_mode(f), MoveMode::PrecopyThenPostcopy);
    f.link = 100e6;
    f.written = 200e6;  // rounds gain nothing
    EXPECT_EQ(*choose_mode(f), MoveMode::Postcopy);
    f.written = 0;
    f.no_precopy = "its page scan is missing";
    EXPECT_EQ(*choose_mode(f), MoveMode::Postcopy);
    EXPECT_EQ(*choose_mode(facts_where_memory_can_follow("stop", 64 * kMiB)), MoveMode::Stop);
    EXPECT_EQ(*choose_mode(facts_where_memory_can_follow("precopy", 64 * kMiB)), MoveMode::Precopy);
}

// Rounds of a program that writes at this rate, over a link of this speed.
std::vector<Round> simulate(double bytes, double written, double link, double working_set) {
    std::vector<Round> rounds;
    double next = bytes;
    while (after_round(rounds) == AfterRound::OneMore) {
        double seconds = next / link + 0.001;
        rounds.push_back({static_cast<uint64_t>(next), static_cast<int64_t>(seconds * 1e9)});
        next = std::min(working_set, written * seconds);
    }
    return rounds;
}

TEST(AfterRound, AnIdleProgramTakesTwoRounds) {
    auto rounds = simulate(1e9, 0, 1e9, 1e9);
    EXPECT_EQ(rounds.size(), 2U);
}

TEST(AfterRound, ShrinksUntilSmall) {
    auto rounds = simulate(1e9, 40e6, 1e9, 1e9);
    EXPECT_LE(rounds.back().bytes, 512U << 10);
    EXPECT_LE(rounds.size(), 6U);
}

TEST(AfterRound, EndsWhereItNoLongerShrinks) {
    auto rounds = simulate(1e9, 2e9, 1e9, 5e8);
    EXPECT_LE(rounds.size(), 4U);
}

TEST(AfterRound, EndsOnASlowLink) {
    auto rounds = simulate(1e9, 5e5, 1e6, 1e9);
    EXPECT_LE(rounds.size(), 3U);
}

TEST(AfterRound, BeforeTheRestFollowsRoundsAreFew) {
    constexpr auto kMode = MoveMode::PrecopyThenPostcopy;
    std::vector<Round> rounds;
    for (uint64_t bytes = 1u << 30; after_round(rounds, kMode) == AfterRound::OneMore; bytes = bytes / 4 * 3)
        rounds.push_back({bytes, 1'000'000'000});
    EXPECT_EQ(rounds.size(), 12U);
    EXPECT_FALSE(is_little(rounds, 1e9));
    rounds.push_back({100u << 10, 1'000'000});
    EXPECT_TRUE(is_little(rounds, 1e9));
    EXPECT_FALSE(is_little(rounds, 1e6));
    EXPECT_TRUE(is_little(rounds, 0));  // by what the fastest took
}

TEST(CanEnd, WhereMuchIsLeftAllOfItFollows) {
    std::vector<Round> rounds{{1u << 30, 2'000'000'000}};
    EXPECT_TRUE(can_end(rounds, 0));
    rounds.push_back({200u << 20, 400'000'000});
    EXPECT_FALSE(can_end(rounds, 0));
    rounds.push_back({3u << 20, 20'000'000});  // 6 ms of that link
    EXPECT_TRUE(can_end(rounds, 0));
    EXPECT_TRUE(can_end(rounds, 100e6));  // few pages
    rounds.back().bytes = 8u << 20;
    EXPECT_FALSE(can_end(rounds, 100e6));
}

TEST(IsNearlyNothing, WhatTakesNoLongerThanARound) {
    EXPECT_TRUE(is_nearly_nothing(0));
    EXPECT_TRUE(is_nearly_nothing(40 * 4096));
    EXPECT_FALSE(is_nearly_nothing(1u << 20));
}

TEST(LinkOf, RoundsThatSendLittleTellLittleOfIt) {
    EXPECT_EQ(link_of({}), 0);
    // Most of the first was found over there, and nearly nothing was left for the last.
    EXPECT_EQ(link_of({{40u << 20, 2'000'000'000}, {100'000'000, 400'000'000}, {200u << 10, 6'000'000}}), 250e6);
}

TEST(CanEnd, NotOverALinkOnWhichAnotherBeginningIsLong) {
    std::vector<Round> rounds{{1u << 30, 20'000'000'000}, {200u << 20, 4'000'000'000}};
    EXPECT_TRUE(can_end(rounds, 0));
}

TEST(AfterRound, OfWhatFollowsOneRoundTakesTheFiles) {
    EXPECT_EQ(after_round({}, MoveMode::Postcopy), AfterRound::OneMore);
    EXPECT_EQ(after_round({{50u << 20, 1'000'000'000}}, MoveMode::Postcopy), AfterRound::Freeze);
}

}  // namespace
}  // namespace pmi
