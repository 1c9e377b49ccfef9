#include "runtime/memory/page_set.h"

#include <algorithm>

namespace pmi {
namespace {

void append(std::vector<PageRun>& runs, uint64_t start, uint64_t end) {
    if (start >= end) return;
    if (!runs.empty() && runs.back().end >= start)
        runs.back().end = std::max(runs.back().end, end);
    else
        runs.push_back({start, end});
}

}  // namespace

PageSet::PageSet(std::vector<PageRun> runs) {
    std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
    for (const auto& r : runs) append(runs_, r.start, r.end);
}

void PageSet::add(uint64_t start, uint64_t end) {
    if (runs_.empty() || start >= runs_.back().start)
        append(runs_, start, end);
    else
        unite(PageSet({{start, end}}));
}

void PageSet::unite(const PageSet& other) {
    if (other.runs_.empty()) return;
    std::vector<PageRun> out;
    out.reserve(runs_.size() + other.runs_.size());
    auto a = runs_.cbegin(), b = other.runs_.cbegin();
    while (a != runs_.cend() || b != other.runs_.cend()) {
        bool from_a = b == other.runs_.cend() || (a != runs_.cend() && a->start <= b->start);
        const PageRun& next = from_a ? *a++ : *b++;
        append(out, next.start, next.end);
    }
    runs_ = std::move(out);
}

void PageSet::subtract(const PageSet& other) {
    if (runs_.empty() || other.runs_.empty()) return;
    std::vector<PageRun> out;
    auto b = other.runs_.begin();
    for (const auto& run : runs_) {
        uint64_t at = run.start;
        while (b != other.runs_.cend() && b->end <= at) ++b;
        for (auto hole = b; hole != other.runs_.end() && hole->start < run.end; ++hole) {
            append(out, at, std::min(hole->start, run.end));
            at = std::max(at, hole->end);
            if (at >= run.end) break;
        }
        append(out, at, run.end);
    }
    runs_ = std::move(out);
}

void PageSet::intersect(const PageSet& other) {
    std::vector<PageRun> out;
    auto a = runs_.cbegin(), b = other.runs_.cbegin();
    while (a != runs_.cend() && b != other.runs_.cend()) {
        append(out, std::max(a->start, b->start), std::min(a->end, b->end));
        if (a->end < b->end)
            ++a;
        else
            ++b;
    }
    runs_ = std::move(out);
}

PageSet::Stretch PageSet::stretch(uint64_t address, uint64_t end) const {
    auto next = std::upper_bound(runs_.begin(), runs_.end(), address, [](uint64_t a, const PageRun& r) { return a < r.start; });
    if (next != runs_.begin() && std::prev(next)->end > address) return {std::min(end, std::prev(next)->end), true};
    return {next == runs_.end() ? end : std::min(end, next->start), false};
}

bool PageSet::contains(uint64_t address) const { return stretch(address, address + 1).inside; }

uint64_t PageSet::bytes() const {
    uint64_t sum = 0;
    for (const auto& r : runs_) sum += r.end - r.start;
    return sum;
}

std::vector<PageRun> close_runs(const PageSet& pages) {
    constexpr uint64_t kGap = uint64_t{64} * 4096;  // bytes
    std::vector<PageRun> runs;
    for (const auto& run : pages.runs()) {
        if (!runs.empty() && run.start - runs.back().end <= kGap)
            runs.back().end = run.end;
        else
            runs.push_back(run);
    }
    return runs;
}

}  // namespace pmi
