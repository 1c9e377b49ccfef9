// A set of pages, as ordered runs with gaps between them. What two copies of a memory know of each other is sets of
// pages: what has been sent, what was written since, what is still the same.
#pragma once
#include <cstdint>
#include <vector>

namespace pmi {

struct PageRun {
    uint64_t start, end;  // addresses
    bool operator==(const PageRun&) const = default;
};

class PageSet {
  public:
    PageSet() = default;
    explicit PageSet(std::vector<PageRun> runs);  // in any order, overlapping or not

    // Cheap in order of address.
    void add(uint64_t start, uint64_t end);
    void unite(const PageSet& other);
    void subtract(const PageSet& other);
    void intersect(const PageSet& other);
    void clear() { runs_.clear(); }

    const std::vector<PageRun>& runs() const { return runs_; }
    bool empty() const { return runs_.empty(); }
    bool contains(uint64_t address) const;
    // From `address` on: how many bytes of the same kind (in the set, or not in it) lie before `end`.
    struct Stretch {
        uint64_t end;
        bool inside;
    };
    Stretch stretch(uint64_t address, uint64_t end) const;
    uint64_t bytes() const;
    bool operator==(const PageSet&) const = default;

  private:
    std::vector<PageRun> runs_;
};

// Runs that cover these pages: one look at some pages more costs less than another look.
std::vector<PageRun> close_runs(const PageSet& pages);

}  // namespace pmi
