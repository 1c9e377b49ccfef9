#include "remote/movers/round_policy.h"

namespace pmi {
namespace {

constexpr double kUsualLink = 500e6;          // bytes a second, while nothing is known
constexpr double kShortStop = 0.015;          // seconds: what rounds save is not worth their own two stops
constexpr uint64_t kSmallRound = 256u << 10;  // bytes: what was written during so little is less still
constexpr double kStillShrinking = 0.8;       // of the round before
constexpr size_t kMostRounds = 30;
constexpr double kLongest = 120;              // seconds

}  // namespace

Expected<MoveMode> choose_mode(const MoveFacts& facts) {
    if (facts.asked == "stop") return MoveMode::Stop;
    if (facts.asked == "precopy") {
        if (!facts.no_precopy.empty()) return fail("mode precopy: {}", facts.no_precopy);
        return MoveMode::Precopy;
    }
    if (facts.asked == "postcopy") return fail("mode postcopy is not there; precopy and stop are");
    if (facts.asked != "auto") return fail("mode {} is not known", facts.asked);
    if (!facts.no_precopy.empty()) return MoveMode::Stop;
    double link = facts.link > 0 ? facts.link : kUsualLink;
    if (static_cast<double>(facts.bytes) / link <= kShortStop) return MoveMode::Stop;
    // Whoever writes faster than the link carries gains nothing by rounds.
    return facts.written >= link ? MoveMode::Stop : MoveMode::Precopy;
}

AfterRound after_round(const std::vector<Round>& rounds) {
    if (rounds.empty()) return AfterRound::OneMore;
    const Round& last = rounds.back();
    if (last.bytes <= kSmallRound || rounds.size() >= kMostRounds) return AfterRound::Freeze;
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
