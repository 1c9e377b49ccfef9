#include "remote/wire/call_tallies.h"

#include <algorithm>
#include <cstring>

namespace pmi {

void CallTallies::add(const CallTally& tally) {
    bool at_home = tally.at_home != 0;
    CallTally& sum = tallies_[{tally.nr, at_home}];
    sum.nr = tally.nr;
    sum.at_home = at_home ? 1 : 0;
    sum.count += tally.count;
    sum.failed += tally.failed;
    sum.total_ns += tally.total_ns;
    sum.slowest_ns = std::max(sum.slowest_ns, tally.slowest_ns);
    sum.travel_ns += tally.travel_ns;
    sum.bytes_to_home += tally.bytes_to_home;
    sum.bytes_from_home += tally.bytes_from_home;
}

void CallTallies::add(const CallTallies& others) {
    for (const auto& [key, tally] : others.tallies_) add(tally);
}

std::vector<CallTally> CallTallies::all() const {
    std::vector<CallTally> list;
    for (const auto& [key, tally] : tallies_) list.push_back(tally);
    return list;
}

std::vector<std::byte> CallTallies::encode() const {
    auto list = all();
    auto bytes = std::as_bytes(std::span(list));
    return {bytes.begin(), bytes.end()};
}

Expected<CallTallies> CallTallies::decode(std::span<const std::byte> bytes) {
    if (bytes.size() % sizeof(CallTally) != 0 || bytes.size() / sizeof(CallTally) > kMaxTallies)
        return fail("counts of calls in {} bytes", bytes.size());
    std::vector<CallTally> list(bytes.size() / sizeof(CallTally));
    if (!bytes.empty()) std::memcpy(list.data(), bytes.data(), bytes.size());
    CallTallies tallies;
    for (const CallTally& tally : list) tallies.add(tally);
    return tallies;
}

}  // namespace pmi
