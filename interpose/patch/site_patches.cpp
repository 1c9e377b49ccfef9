#include "interpose/patch/site_patches.h"

#include <algorithm>

namespace pmi {

Expected<SitePatch*> SitePatches::prepare(const Site& site) {
    auto same = [&](const SitePatch& p) {
        return p.site.load == site.load && p.site.nr == site.nr && p.site.resume == site.resume;
    };
    auto known = std::find_if(patches_.begin(), patches_.end(), same);
    if (known != patches_.end()) {
        known->site = site;
        return &*known;
    }
    if (patches_.size() >= kMaxPatches) return fail("{} sites are patched, and there is room for no more", patches_.size());
    auto index = answer_index(site.nr);
    if (!index) return fail("call {} is never answered by its site", site.nr);
    SitePatch patch;
    patch.site = site;
    patch.stub = agent_base_ + kStubsOffset + patches_.size() * kStubSize;
    TRY_ASSIGN(patch.code, make_stub_code(site, patch.stub, answers() + *index * sizeof(Answer)));
    TRY_ASSIGN(patch.jump, make_jump(site.load, patch.stub));
    patches_.push_back(patch);
    return &patches_.back();
}

size_t SitePatches::active() const {
    return static_cast<size_t>(std::count_if(patches_.begin(), patches_.end(), [](const SitePatch& p) { return p.active; }));
}

void SitePatches::show_original(uint64_t address, std::span<std::byte> code) const {
    for (const SitePatch& p : patches_)
        for (size_t i = 0; p.active && i < kJumpSize; i++) {
            uint64_t at = p.site.load + i - address;  // what lies before it wraps around
            if (at < code.size() && code[at] == p.jump[i]) code[at] = p.site.original[i];
        }
}

bool SitePatches::put_outside(StubRegisters& registers) const {
    if (!is_stub(registers.rip)) return false;
    size_t index = (registers.rip - (agent_base_ + kStubsOffset)) / kStubSize;
    return index < patches_.size() && pmi::put_outside(patches_[index].site, patches_[index].stub, registers);
}

}  // namespace pmi
