#include "runtime/guest/guest_vdso.h"

#include <algorithm>

#include "interpose/vdso/shims.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/run_to_return.h"

namespace pmi {
namespace {

const VdsoFunction* function_at(const GuestVdso& vdso, uint64_t address) {
    for (const auto& f : vdso.functions)
        if (vdso.copy.start + f.offset == address) return &f;
    return nullptr;
}

uint64_t home_function(const GuestVdso& vdso, const Shim& shim) {
    uint64_t offset = offset_of(vdso.functions, "__vdso_" + std::string(shim.name));
    if (offset == 0) offset = offset_of(vdso.functions, shim.name);
    return offset == 0 ? 0 : vdso.copy.start + offset;
}

// At the beginning of home's function, as if it had just been called.
Expected<bool> begin_again(const GuestVdso& vdso, const Shim& shim, Registers& r, bool has_saved_rcx) {
    uint64_t function = home_function(vdso, shim);
    if (function == 0) return fail("a thread in a function of the vDSO that home does not have");
    if (has_saved_rcx) r.rcx = r.r9;
    r.rip = function;
    r.orig_rax = static_cast<uint64_t>(-1);
    return true;
}

// Which function's trampoline is there; null: none's.
const Trampoline* trampoline_at(const GuestVdso& vdso, uint64_t address) {
    for (const auto& t : vdso.entries) {
        uint64_t start = vdso.copy.start - t.below;
        if (address == start || address == start + kTrampolineSecond) return &t;
    }
    return nullptr;
}

// Home's data below its vDSO, or as much of it as is needed: the rest stays out of reach.
AddressRange trampoline_room(uint64_t vdso_start, const wire::Image& image) {
    constexpr uint64_t kEnough = 2 * kPage;
    for (const auto& r : image.regions())
        if (r.kind() == wire::Region::VDSO && r.end() == vdso_start)
            return {std::max(r.start(), vdso_start - std::min(vdso_start, kEnough)), vdso_start};
    return {vdso_start, vdso_start};
}

}  // namespace

bool GuestVdso::is_inside(uint64_t address) const {
    uint64_t shims_at = agent_base + kShimsOffset;
    bool in_shims = address >= shims_at && address < shims_at + shims_size();
    return in_shims || local.overlaps(address, address + 1) || trampolines.overlaps(address, address + 1);
}

bool GuestVdso::needs_home(uint64_t instruction, uint64_t accessed, const wire::Image& image) const {
    if (copy.overlaps(instruction, instruction + 1)) return function_at(*this, instruction) == nullptr;
    for (const auto& r : image.regions())
        if (r.kind() == wire::Region::VDSO && r.name() != "[vdso]" && accessed >= r.start() && accessed < r.end()) return true;
    return false;
}

Expected<GuestVdso> describe_vdso(const wire::Image& image) {
    GuestVdso vdso;
    vdso.agent_base = image.agent_base();
    for (const auto& r : image.regions()) {
        if (r.kind() != wire::Region::VDSO || r.name() != "[vdso]") continue;
        if (vdso.copy.end != 0 && vdso.copy.end != r.start()) return fail("an image with two vDSOs");
        if (vdso.copy.end == 0) vdso.copy.start = r.start();
        vdso.copy.end = r.end();
    }
    if (image.vdso().size() != vdso.copy.end - vdso.copy.start) return fail("an image with {} bytes of vDSO", image.vdso().size());
    if (image.vdso().empty()) return vdso;
    TRY_ASSIGN(vdso.functions, vdso_functions(std::as_bytes(std::span(image.vdso()))));
    vdso.trampolines = trampoline_room(vdso.copy.start, image);
    TRY_ASSIGN(vdso.entries, place_trampolines(vdso.functions, vdso.trampolines.end - vdso.trampolines.start));
    return vdso;
}

std::string vdso_copy(const GuestVdso& vdso, const wire::Image& image) {
    std::string copy = image.vdso();
    if (copy.empty()) return copy;
    uint64_t room = vdso.trampolines.end - vdso.trampolines.start;
    auto bytes = std::as_writable_bytes(std::span(copy));
    std::string below = patch_vdso(bytes, vdso.functions, vdso.entries, image.agent_base(), room);
    return below + copy;
}

bool is_kernel_code(const std::string& name) { return name == "[vdso]" || name.starts_with("[vvar"); }

AddressRange kernel_block(const std::vector<MapsEntry>& maps) {
    AddressRange block;
    for (const auto& m : maps) {
        if (!is_kernel_code(m.name)) continue;
        if (block.end == 0) block.start = m.start;
        block.end = m.end;
    }
    return block;
}

Expected<bool> put_outside(const GuestVdso& vdso, Registers& r, const RemoteMemory& memory) {
    if (const Trampoline* t = trampoline_at(vdso, r.rip)) {
        r.rip = vdso.copy.start + t->function;
        return true;
    }
    uint64_t at = r.rip - (vdso.agent_base + kShimsOffset);
    for (const Shim& shim : shims()) {
        if (at < shim.entry || at > shim.end) continue;
        if (at >= shim.work && at < shim.stores) return false;
        bool has_result = at == shim.end && !(static_cast<int64_t>(r.orig_rax) >= 0 && is_restart(static_cast<int64_t>(r.rax)));
        if (!has_result) return begin_again(vdso, shim, r, at > shim.call);
        TRY_ASSIGN(r.rip, memory.get<uint64_t>(r.rsp));
        r.rsp += sizeof(uint64_t);
        r.orig_rax = static_cast<uint64_t>(-1);
        return true;
    }
    return false;
}

Status leave_vdso(pid_t tid, const GuestVdso& vdso, const RemoteMemory& memory, StopWaiter& waiter) {
    constexpr int kMaxSteps = 4000;
    InjectedRun run(tid);
    for (int i = 0; i < kMaxSteps; i++) {
        TRY_ASSIGN(Registers r, get_registers(tid));
        if (!vdso.is_inside(r.rip)) return run.end(waiter);
        TRY_ASSIGN(bool is_outside, put_outside(vdso, r, memory));
        if (is_outside) {
            TRY(set_registers(tid, r));
            return run.end(waiter);
        }
        bool has_returned = false;
        if (vdso.local.overlaps(r.rip, r.rip + 1)) {
            TRY_ASSIGN(has_returned, run_to_return(tid, vdso.local.start, vdso.local.end, run, waiter));
        }
        if (!has_returned) TRY(step(tid, run, waiter));
    }
    return fail("thread {} does not leave the vDSO", tid);
}

}  // namespace pmi
