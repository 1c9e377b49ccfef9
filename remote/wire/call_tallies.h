// What the calls of a process have cost while it was away: sums by call and by where it was answered. The node's
// supervisor counts, and tells home what has come since it last did; home adds up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "runtime/base/error.h"

namespace pmi {

// As it travels: fixed-width, little endian.
struct CallTally {
    int16_t nr = 0;
    uint16_t at_home = 0;  // 0: the node has answered it, or its kernel
    uint32_t reserved = 0;
    uint64_t count = 0;
    uint64_t failed = 0;
    uint64_t total_ns = 0;  // from the guest's call until it has its result
    uint64_t slowest_ns = 0;
    uint64_t travel_ns = 0;  // of total_ns: what home did not spend on the call itself
    uint64_t bytes_to_home = 0, bytes_from_home = 0;
    bool operator==(const CallTally&) const = default;
};
static_assert(sizeof(CallTally) == 64);

class CallTallies {
  public:
    void add(const CallTally& tally);
    void add(const CallTallies& others);
    bool empty() const { return tallies_.empty(); }
    std::vector<CallTally> all() const;
    std::vector<std::byte> encode() const;
    // Of a peer: at most kMaxTallies.
    static Expected<CallTallies> decode(std::span<const std::byte> bytes);

  private:
    // By number, and whether at home.
    std::map<std::pair<int16_t, bool>, CallTally> tallies_;
};

constexpr size_t kMaxTallies = 2048;

}  // namespace pmi
