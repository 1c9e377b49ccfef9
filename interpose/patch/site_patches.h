// The patched sites of one address space: which they are, and which stub belongs to each. A forked process has a copy of it, as it
// has of the code.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "interpose/patch/answers.h"
#include "interpose/patch/mask_stub.h"
#include "interpose/patch/site.h"
#include "interpose/patch/stub.h"

namespace pmi {

constexpr size_t kMaxPatches = kStubsSize / kStubSize;

struct SitePatch {
    Site site;
    uint64_t stub = 0;  // its address
    StubCode code{};
    JumpBytes jump{};  // what stands at site.load while it is active
    bool active = false;
};

class SitePatches {
  public:
    explicit SitePatches(uint64_t agent_base) : agent_base_(agent_base) {}

    // What is to be written for this site: first the stub, then the jump. A site that was patched before gets its stub again.
    Expected<SitePatch*> prepare(const Site& site);
    const std::vector<SitePatch>& all() const { return patches_; }
    std::vector<SitePatch>& all() { return patches_; }
    size_t active() const;

    bool is_stub(uint64_t address) const { return address - (agent_base_ + kStubsOffset) < kStubsSize; }
    // Out of a stub, to where the program would be if it were not patched; true when the registers were changed.
    bool put_outside(StubRegisters& registers) const;
    // Where a thread goes on that has a fault at `rip`; nothing: the fault is the program's.
    std::optional<uint64_t> after_fault(uint64_t rip) const;
    // What of `code`, which was read at `address`, is a jump of ours, as it was before.
    void show_original(uint64_t address, std::span<std::byte> code) const;
    uint64_t answers() const { return agent_base_ + kAnswersOffset; }
    uint64_t mask_cell() const { return answers() + kMaskCellInPage; }

  private:
    Expected<StubCode> make_code(const Site& site, uint64_t stub) const;
    const SitePatch* patch_at(uint64_t address) const;
    uint64_t agent_base_;
    std::vector<SitePatch> patches_;
};

}  // namespace pmi
