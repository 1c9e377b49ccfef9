#include "remote/movers/round_policy.h"

#include <algorithm>

namespace pmi {
namespace {

constexpr double kUsualLink = 500e6;          // bytes a second, while nothing is known
constexpr double kShortStop = 0.015;          // seconds: to send what is left; connections for pages that follow take as long
constexpr uint64_t kSmallRound = 256u << 10;  // bytes: what was written during so little is less still
constexpr uint64_t kFewBytes = 1000u * 4096;  // in pages that are dropped one by one
constexpr double kLongAnew = 10;              // seconds
constexpr double kStillShrinking = 0.8;       // of the round before
constexpr size_t kMostRounds = 30;
constexpr size_t kMostRoundsBefore = 12;  // where the rest can follow
constexpr double kLongest = 120;          // seconds

}  // namespace

double link_or_usual(double link) { return link > 0 ? link : kUsualLink; }

Expected<MoveMode> choose_mode(const MoveFacts& facts) {
    if (facts.asked == "stop") return MoveMode::Stop;
    if (facts.asked == "precopy") {
        if (!facts.no_precopy.empty()) return fail("mode precopy: {}", facts.no_precopy);
        return MoveMode::Precopy;
    }
    if (facts.asked == "postcopy") {
        if (!facts.no_postcopy.empty()) return fail("mode postcopy: {}", facts.no_postcopy);
        return MoveMode::Postcopy;
    }
    if (facts.asked != "auto") return fail("mode {} is not known", facts.asked);
    double link = link_or_usual(facts.link);
    bool can_precede = facts.no_precopy.empty(), can_follow = facts.no_postcopy.empty();
    // Whoever writes faster than the link carries gains nothing by rounds.
    bool gains = can_precede && facts.written < link;
    bool is_small = static_cast<double>(facts.bytes) / link <= kShortStop;
    if (can_follow && !is_small) return gains ? MoveMode::PrecopyThenPostcopy : MoveMode::Postcopy;
    return gains ? MoveMode::Precopy : MoveMode::Stop;
}

double link_of(const std::vector<Round>& rounds) {
    double fastest = 0;
    for (const auto& r : rounds)
        if (r.ns > 0) fastest = std::max(fastest, static_cast<double>(r.bytes) * 1e9 / static_cast<double>(r.ns));
    return fastest;
}

bool is_little(const std::vector<Round>& rounds, double link) {
    if (rounds.size() < 2) return false;
    if (link <= 0) link = link_of(rounds);
    // As much is left at most as was written during the one before the last.
    return static_cast<double>(rounds.back().bytes) / link_or_usual(link) <= kShortStop;
}

bool can_end(const std::vector<Round>& rounds, double link) {
    if (rounds.size() < 2 || is_little(rounds, link) || rounds.back().bytes <= kFewBytes) return true;
    return static_cast<double>(rounds.front().ns) / 1e9 > kLongAnew;
}

bool is_nearly_nothing(uint64_t bytes) { return bytes <= kSmallRound; }

AfterRound after_round(const std::vector<Round>& rounds, MoveMode mode) {
    if (rounds.empty()) return AfterRound::OneMore;
    if (mode == MoveMode::Postcopy) return AfterRound::Freeze;
    const Round& last = rounds.back();
    size_t most = mode == MoveMode::PrecopyThenPostcopy ? kMostRoundsBefore : kMostRounds;
    if (is_nearly_nothing(last.bytes) || rounds.size() >= most) return AfterRound::Freeze;
    double seconds = 0;
    for (const auto& r : rounds) seconds += static_cast<double>(r.ns) / 1e9;
    if (seconds > kLongest) return AfterRound::Freeze;
    // The first round has nothing to be compared with: it sent what there was, not what was written.
    if (rounds.size() < 3) return AfterRound::OneMore;
    const Round& before = rounds[rounds.size() - 2];
    bool shrinks = static_cast<double>(last.bytes) < kStillShrinking * static_cast<double>(before.bytes);
    return shrinks ? AfterRound::OneMore : AfterRound::Freeze;
}

}  // namespace pmi
