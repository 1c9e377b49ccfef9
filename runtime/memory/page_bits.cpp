#include "runtime/memory/page_bits.h"

#include <algorithm>
#include <bit>

namespace pmi {
namespace {

constexpr uint64_t kPageBytes = 4096;

}  // namespace

PageBits::PageBits(const PageSet& pages) {
    for (const auto& run : pages.runs()) {
        areas_.push_back({run.start, run.end, left_});
        left_ += (run.end - run.start) / kPageBytes;
    }
    words_.assign((left_ + 63) / 64, ~uint64_t{0});
}

std::vector<PageBits::Area>::const_iterator PageBits::area_at(uint64_t address) const {
    return std::upper_bound(areas_.begin(), areas_.end(), address, [](uint64_t a, const Area& area) { return a < area.end; });
}

bool PageBits::contains(uint64_t address) const {
    auto area = area_at(address);
    return area != areas_.end() && area->start <= address && bit(area->first + (address - area->start) / kPageBytes);
}

void PageBits::remove(uint64_t start, uint64_t end) {
    for (auto area = area_at(start); area != areas_.end() && area->start < end; ++area) {
        uint64_t from = std::max(start, area->start), to = std::min(end, area->end);
        uint64_t n = area->first + (from - area->start) / kPageBytes,
                 last = area->first + (to - area->start + kPageBytes - 1) / kPageBytes;
        for (; n < last; n++) {
            uint64_t mask = uint64_t{1} << (n % 64);
            if ((words_[n / 64] & mask) == 0) continue;
            words_[n / 64] &= ~mask;
            left_--;
        }
    }
}

// The first set bit from n on, `end` at most.
uint64_t PageBits::skip_clear(uint64_t n, uint64_t end) const {
    while (n < end) {
        uint64_t word = words_[n / 64] >> (n % 64);
        if (word != 0) return std::min<uint64_t>(end, n + static_cast<uint64_t>(std::countr_zero(word)));
        n = (n / 64 + 1) * 64;
    }
    return end;
}

PageRun PageBits::next(uint64_t from, uint64_t end, uint64_t most) const {
    for (auto area = area_at(from); area != areas_.end() && area->start < end; ++area) {
        uint64_t first = area->first + (std::max(from, area->start) - area->start) / kPageBytes;
        uint64_t last = area->first + (std::min(end, area->end) - area->start + kPageBytes - 1) / kPageBytes;
        uint64_t n = skip_clear(first, last);
        if (n == last) continue;
        uint64_t stop = n;
        while (stop < last && stop - n < most && bit(stop)) stop++;
        return {area->start + (n - area->first) * kPageBytes, area->start + (stop - area->first) * kPageBytes};
    }
    return {end, end};
}

}  // namespace pmi
