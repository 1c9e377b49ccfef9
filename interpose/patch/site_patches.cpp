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
    SitePatch patch;
    patch.site = site;
    patch.stub = agent_base_ + kStubsOffset + patches_.size() * kStubSize;
    TRY_ASSIGN(patch.code, make_code(site, patch.stub));
    TRY_ASSIGN(patch.jump, make_jump(site.load, patch.stub));
    patches_.push_back(patch);
    return &patches_.back();
}

Expected<StubCode> SitePatches::make_code(const Site& site, uint64_t stub) const {
    if (site.nr == SYS_rt_sigprocmask) return make_mask_stub(site, stub, mask_cell());
    auto index = answer_index(site.nr);
    if (!index) return fail("call {} is never answered by its site", site.nr);
    return make_stub_code(site, stub, answers() + *index * sizeof(Answer));
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

const SitePatch* SitePatches::patch_at(uint64_t address) const {
    if (!is_stub(address)) return nullptr;
    size_t index = (address - (agent_base_ + kStubsOffset)) / kStubSize;
    return index < patches_.size() ? &patches_[index] : nullptr;
}

bool SitePatches::put_outside(StubRegisters& registers) const {
    const SitePatch* patch = patch_at(registers.rip);
    if (patch == nullptr) return false;
    auto put = patch->site.nr == SYS_rt_sigprocmask ? put_outside_mask_stub : pmi::put_outside;
    return put(patch->site, patch->stub, registers);
}

std::optional<uint64_t> SitePatches::after_fault(uint64_t rip) const {
    const SitePatch* patch = patch_at(rip);
    bool is_mask = patch != nullptr && patch->site.nr == SYS_rt_sigprocmask;
    return is_mask ? after_mask_fault(patch->stub, rip) : std::nullopt;
}

}  // namespace pmi
