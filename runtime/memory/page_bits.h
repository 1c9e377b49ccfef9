// Some pages of an address space, from which single ones are taken away often and in any order: a bit a page, so that it
// costs the same however scattered they are (page_set.h: sets that are united and compared).
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/memory/page_set.h"

namespace pmi {

class PageBits {
  public:
    PageBits() = default;
    explicit PageBits(const PageSet& pages);

    bool contains(uint64_t address) const;
    void remove(uint64_t start, uint64_t end);
    uint64_t pages() const { return left_; }
    bool empty() const { return left_ == 0; }
    // The first run of them in [from, end), `most` pages long at most. None: an empty one.
    PageRun next(uint64_t from, uint64_t end, uint64_t most) const;

  private:
    struct Area {
        uint64_t start, end;
        uint64_t first;  // bit
    };
    bool bit(uint64_t n) const { return (words_[n / 64] >> (n % 64) & 1) != 0; }
    uint64_t skip_clear(uint64_t n, uint64_t end) const;
    std::vector<Area>::const_iterator area_at(uint64_t address) const;  // that holds it, or is the next
    std::vector<Area> areas_;
    std::vector<uint64_t> words_;
    uint64_t left_ = 0;
};

}  // namespace pmi
