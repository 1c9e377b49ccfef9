// Parts of a file: ranges of its bytes that something has been done with.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "runtime/memory/regions.h"

namespace pmi {

class Parts {
  public:
    // The pieces of [start, end) that are new; they count as known from now on.
    std::vector<AddressRange> add(uint64_t start, uint64_t end) {
        std::vector<AddressRange> fresh;
        for (auto it = parts_.begin(); it != parts_.end() && start < end; ++it) {
            if (it->second <= start) continue;
            if (it->first >= end) break;
            if (it->first > start) fresh.push_back({start, it->first});
            start = std::max(start, it->second);
        }
        if (start < end) fresh.push_back({start, end});
        for (const auto& f : fresh) parts_[f.start] = f.end;
        return fresh;
    }

  private:
    std::map<uint64_t, uint64_t> parts_;
};

}  // namespace pmi
