// The calls that a patched site answers by itself, and the page from which it takes the answers. But for rt_sigprocmask they have
// no arguments, and the supervisor knows of every change (Row::lasts, Row::changes): it takes an answer away before it lets the
// call that changes it go on.
#pragma once
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "interpose/vdso/shims.h"

namespace pmi {

constexpr std::array<int64_t, 5> kAnswerable{SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getpgrp};

// Written while threads may read it, by system calls that don't promise to store more than a byte at once. So the result stands
// there before is_known becomes 1, and is never another one while a thread may be between its two reads.
struct Answer {
    uint32_t result = 0;
    uint32_t is_known = 0;  // 0: the call has to be made
    bool operator==(const Answer&) const = default;
};
// One for each of kAnswerable, in their order.
using AnswersPage = std::array<Answer, kAnswerable.size()>;

// For the stubs of rt_sigprocmask (mask_stub.h); of a process with one thread. The supervisor writes it while that thread is
// stopped, or waits in a call that it has notified.
struct MaskCell {
    uint64_t told = 0;       // the signals that home blocks
    uint32_t is_closed = 1;  // every call is to be notified
    uint32_t is_late = 0;    // the stub's: it may have blocked more
};
constexpr size_t kMaskCellInPage = kPage / 2;
static_assert(sizeof(AnswersPage) <= kMaskCellInPage);

constexpr std::optional<size_t> answer_index(int64_t nr) {
    for (size_t i = 0; i < kAnswerable.size(); i++)
        if (kAnswerable[i] == nr) return i;
    return std::nullopt;
}

constexpr bool can_be_patched(int64_t nr) { return nr == SYS_rt_sigprocmask || answer_index(nr).has_value(); }

// In the guest, from the agent's base. Mapped when the first site is patched; private, so that a forked child has its own.
constexpr uint64_t kAnswersOffset = kLocalVdsoOffset + 2 * kLocalVdsoRoom;
constexpr uint64_t kStubsOffset = kAnswersOffset + kPage;
constexpr uint64_t kStubsSize = 4 * kPage;
static_assert(kStubsOffset + kStubsSize <= kAgentSize);

}  // namespace pmi
