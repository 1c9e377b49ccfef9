// A guest's vDSO. At home's [vdso] address stands a private copy of home's image, since the program, its libraries and
// its stacks hold addresses of it. Its functions begin with jumps to shims: a little code in the agent's page that calls
// the vDSO of the node's own kernel (which is moved out of the way, into the agent's place) and adds to the wall clocks
// what home's differ by. So every guest has one path, whatever the two kernels are.
//
// Wall clocks are made from CLOCK_MONOTONIC, which the guest's time namespace has set to home's: what anybody does to the
// node's own wall clock changes nothing.
//
// In the guest, from the agent's base:
//   kShimsOffset            the shims, in the agent's code page
//   kClockPageOffset        ClockPage, shared by all guests of the session, which can't write to it
//   kLocalVdsoOffset        the node's own [vvar...] and [vdso], kLocalVdsoRoom at most
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "interpose/agent/agent.h"

namespace pmi {

constexpr uint64_t kShimsOffset = 0x800;
constexpr uint64_t kClockPageOffset = kAgentData + kGuestScratch;
constexpr uint64_t kLocalVdsoOffset = kClockPageOffset + kPage;
constexpr uint64_t kLocalVdsoRoom = 1 << 20;
static_assert(kClockPageOffset - kShimsOffset == 0x40800);  // PAGE in shims.S
static_assert(kLocalVdsoOffset + 2 * kLocalVdsoRoom <= kAgentSize);

// What the shims read. `sequence` is odd while it is written. Wall clock = CLOCK_MONOTONIC + offset + what has been slewed:
// from slew_from_ns (CLOCK_MONOTONIC) on for slew_length_ns at slew_rate / 2^32.
struct ClockPage {
    uint32_t sequence;
    uint32_t reserved;
    int64_t offset_sec;
    int64_t offset_nsec;  // 0 to 999999999
    int64_t slew_from_ns, slew_length_ns, slew_rate;
    int64_t tai_sec;  // CLOCK_TAI minus CLOCK_REALTIME
    int32_t minutes_west, dst_time;
    uint64_t node_clock_gettime, node_getcpu;                     // functions of the node's vDSO; 0: it has none
    uint32_t random_state_size, random_protection, random_flags;  // struct vgetrandom_opaque_params; size 0: home has none
};
static_assert(offsetof(ClockPage, offset_sec) == 8 && offsetof(ClockPage, offset_nsec) == 16);
static_assert(offsetof(ClockPage, slew_from_ns) == 24 && offsetof(ClockPage, slew_length_ns) == 32);
static_assert(offsetof(ClockPage, slew_rate) == 40 && offsetof(ClockPage, tai_sec) == 48);
static_assert(offsetof(ClockPage, minutes_west) == 56 && offsetof(ClockPage, node_clock_gettime) == 64);
static_assert(offsetof(ClockPage, node_getcpu) == 72 && offsetof(ClockPage, random_state_size) == 80);

extern "C" {
// As in agent.h, only distances mean anything.
extern const char pmi_shims_begin[], pmi_shims_end[];
#define PMI_SHIM(name)                                                                                                   \
    extern const char pmi_shim_##name[], pmi_shim_##name##_work[], pmi_shim_##name##_stores[], pmi_shim_##name##_call[], \
        pmi_shim_##name##_end[];
PMI_SHIM(clock_gettime)
PMI_SHIM(gettimeofday)
PMI_SHIM(time)
PMI_SHIM(clock_getres)
PMI_SHIM(getcpu)
PMI_SHIM(getrandom)
#undef PMI_SHIM
}

// A function of the vDSO: exported as __vdso_NAME and mostly as NAME too. Offsets from kShimsOffset. Outside of [work,
// stores) its arguments and the stack are as at the entry, but for rcx, which is in r9 when call is behind.
struct Shim {
    std::string_view name;
    uint64_t entry, work, stores;
    uint64_t call;  // it makes the system call
    uint64_t end;   // behind the `syscall`, at the return
};
inline std::array<Shim, 6> shims() {
    auto at = [](const char* label) { return static_cast<uint64_t>(label - pmi_shims_begin); };
#define PMI_SHIM(name)                                                                                                    \
    Shim {                                                                                                                \
#name, at(pmi_shim_##name), at(pmi_shim_##name##_work), at(pmi_shim_##name##_stores), at(pmi_shim_##name##_call), \
            at(pmi_shim_##name##_end)                                                                                     \
    }
    return {PMI_SHIM(clock_gettime), PMI_SHIM(gettimeofday), PMI_SHIM(time),
            PMI_SHIM(clock_getres),  PMI_SHIM(getcpu),       PMI_SHIM(getrandom)};
#undef PMI_SHIM
}
inline uint64_t shims_size() { return static_cast<uint64_t>(pmi_shims_end - pmi_shims_begin); }

}  // namespace pmi
