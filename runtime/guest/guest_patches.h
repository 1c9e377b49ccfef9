// The patched system call sites of a guest (interpose/patch), as its supervisor keeps account of them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "interpose/patch/site_patches.h"

namespace pmi {

// Where a call comes from, and which.
struct CallPlace {
    uint64_t resume = 0;  // behind its instruction
    int64_t nr = 0;
    auto operator<=>(const CallPlace&) const = default;
};

struct GuestPatches {
    std::optional<SitePatches> sites;     // when the first one is patched
    std::map<CallPlace, uint32_t> calls;  // how many came from there; those that were looked at are out of the count
    std::vector<CallPlace> waiting;       // to be patched when no thread runs
    AnswersPage told{};                   // what stands in its page of answers
    bool masks_open = false;              // stubs may change the mask of its only thread
    uint32_t patched = 0, refused = 0;    // so far
    // No more: this kernel doesn't let code be written to, or the program changes its code itself.
    bool ended = false;

    bool any_active() const { return sites && sites->active() > 0; }
};

}  // namespace pmi
