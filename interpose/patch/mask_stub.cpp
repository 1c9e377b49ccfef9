#include "interpose/patch/mask_stub.h"

#include <cstring>

#include "interpose/patch/answers.h"

extern "C" {
extern const char pmi_mask_stub_begin[], pmi_mask_stub_call[], pmi_mask_stub_syscall[], pmi_mask_stub_done[],
    pmi_mask_stub_resume_hole[], pmi_mask_stub_leave_hole[], pmi_mask_stub_read_unblock[], pmi_mask_stub_read_set[],
    pmi_mask_stub_told_hole[], pmi_mask_stub_closed_hole[], pmi_mask_stub_late_hole[], pmi_mask_stub_sign_hole[],
    pmi_mask_stub_signed[], pmi_mask_stub_own_syscall[], pmi_mask_stub_made[], pmi_mask_stub_end[];
}

namespace pmi {
namespace {

uint64_t offset(const char* label) { return static_cast<uint64_t>(label - pmi_mask_stub_begin); }

// The hole before `label` becomes the distance from there to `target`.
Status put_distance(StubCode& code, uint64_t address, const char* label, uint64_t target) {
    auto distance = static_cast<int64_t>(target - (address + offset(label)));
    auto narrow = static_cast<int32_t>(distance);
    if (distance != narrow) return fail("the agent is out of its reach");
    std::memcpy(code.data() + offset(label) - sizeof narrow, &narrow, sizeof narrow);
    return {};
}

}  // namespace

bool can_run_mask_stub() { return __builtin_cpu_supports("bmi2") != 0; }

Expected<StubCode> make_mask_stub(const Site& site, uint64_t address, uint64_t cell) {
    StubCode code;
    code.fill(std::byte{0xcc});
    PMI_ASSERT(offset(pmi_mask_stub_end) <= code.size());
    std::memcpy(code.data(), pmi_mask_stub_begin, offset(pmi_mask_stub_end));
    TRY(put_distance(code, address, pmi_mask_stub_resume_hole, site.resume));
    TRY(put_distance(code, address, pmi_mask_stub_leave_hole, site.resume));
    TRY(put_distance(code, address, pmi_mask_stub_told_hole, cell + offsetof(MaskCell, told)));
    TRY(put_distance(code, address, pmi_mask_stub_closed_hole, cell + offsetof(MaskCell, is_closed)));
    TRY(put_distance(code, address, pmi_mask_stub_late_hole, cell + offsetof(MaskCell, is_late)));
    constexpr uint64_t kSign = uint64_t{kMaskCallSign} << 32;
    std::memcpy(code.data() + offset(pmi_mask_stub_sign_hole) - sizeof kSign, &kSign, sizeof kSign);
    return code;
}

bool put_outside_mask_stub(const Site& site, uint64_t address, StubRegisters& r) {
    uint64_t at = r.rip - address;
    if (at >= offset(pmi_mask_stub_end)) return false;
    bool is_signed = at >= offset(pmi_mask_stub_signed) && at <= offset(pmi_mask_stub_made);
    if (is_signed) r.rdi = static_cast<uint32_t>(r.rdi);
    bool is_at_call = at == offset(pmi_mask_stub_syscall) || at == offset(pmi_mask_stub_own_syscall);
    bool is_behind =
        (at >= offset(pmi_mask_stub_done) && at < offset(pmi_mask_stub_leave_hole)) || at >= offset(pmi_mask_stub_made);
    r.rip = is_at_call ? site.syscall() : is_behind ? site.resume : site.load;
    if (is_behind) r.rcx = site.resume;
    return true;
}

std::optional<uint64_t> after_mask_fault(uint64_t address, uint64_t rip) {
    uint64_t at = rip - address;
    bool reads = at == offset(pmi_mask_stub_read_unblock) || at == offset(pmi_mask_stub_read_set);
    return reads ? std::optional(address + offset(pmi_mask_stub_call)) : std::nullopt;
}

}  // namespace pmi
