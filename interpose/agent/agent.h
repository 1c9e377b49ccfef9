// The agent: the few hundred bytes of position-independent code that pmi places in a program's address space while
// it moves and while it is away, and the memory layout that it shares with its supervisor. No libc, no stack.
// In the deputy it performs forwarded calls; in the guest it runs batches of system calls for the supervisor.
//
// Where it is: at an address chosen per process in a free gap of its map (agent base):
//   base                    code, one page, r-x
//   base + kAgentData       header, slots, arenas; in the deputy a memfd shared with the supervisor, in the guest
//                           private scratch memory (only kGuestScratch of it; the rest is reserved)
#pragma once
#include <cstddef>
#include <cstdint>

namespace pmi {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kAgentCode = kPage;  // bytes
constexpr uint64_t kAgentData = kAgentCode;
constexpr uint32_t kMaxSlots = 512;
constexpr uint64_t kArenaSize = 128 << 10;
constexpr uint32_t kLargeArenas = 4;
constexpr uint64_t kLargeArenaSize = (4 << 20) + kArenaSize;
constexpr uint64_t kGuestScratch = 256 << 10;

enum SlotState : uint32_t { kSlotIdle = 0, kSlotRequest = 1, kSlotRunning = 2, kSlotDone = 3 };

// One per deputy thread. The supervisor writes nr, args and sets_mask, then state = kSlotRequest and wakes the futex `state`;
// the deputy first blocks the signals of `mask`, where sets_mask is 1, and makes it 0;
// the deputy writes result, then state = kSlotDone, and counts AgentHeader::completions up and wakes it, unless there are watchers:
// these look for themselves, and at all slots once more when they stop.
struct Slot {
    uint32_t state;
    uint32_t sets_mask;
    int64_t nr;
    uint64_t args[6];
    int64_t result;
    uint64_t mask;
    uint64_t padding[6];
};
static_assert(sizeof(Slot) == 128);
static_assert(offsetof(Slot, sets_mask) == 4 && offsetof(Slot, nr) == 8 && offsetof(Slot, args) == 16);
static_assert(offsetof(Slot, result) == 64 && offsetof(Slot, mask) == 72);

struct AgentHeader {
    uint32_t completions;
    uint32_t watchers;
    uint32_t padding[1022];
};
static_assert(sizeof(AgentHeader) == kPage && offsetof(AgentHeader, watchers) == 4);

constexpr uint64_t kSlotsOffset = kAgentData + sizeof(AgentHeader);
constexpr uint64_t kArenasOffset = kSlotsOffset + ((kMaxSlots * sizeof(Slot) + kPage - 1) & ~(kPage - 1));
constexpr uint64_t kLargeArenasOffset = kArenasOffset + kMaxSlots * kArenaSize;
constexpr uint64_t kAgentSize = kLargeArenasOffset + kLargeArenas * kLargeArenaSize;  // the whole range that is taken

// The upper half of rt_sigprocmask's first argument where a stub makes the call by itself (interpose/patch/mask_stub.h): the kernel
// takes an int there. Whoever signs calls of his own so changes his mask unnoticed, and has to live with that.
constexpr uint32_t kMaskCallSign = 0x706d6921;

// One system call of a batch (agent_batch): r12 = first op, r13 = how many.
struct BatchOp {
    int64_t nr;
    uint64_t args[6];
    int64_t result;
};
static_assert(sizeof(BatchOp) == 64);

extern "C" {
// Labels inside the code; only their distance from pmi_agent_begin means anything.
extern const char pmi_agent_begin[], pmi_agent_end[];
extern const char pmi_agent_syscall[];     // syscall; int3
extern const char pmi_agent_batch[];       // runs a batch; int3
extern const char pmi_agent_batch_end[];   // behind its int3
extern const char pmi_agent_loop[];        // the deputy's loop: rbx = Slot, r14 = AgentHeader
extern const char pmi_agent_idle_end[];    // behind the loop's futex wait
extern const char pmi_agent_call_begin[];  // from here to call_end a request has been taken
extern const char pmi_agent_call_end[];    // behind the `syscall` of a forwarded call
extern const char pmi_agent_cancel[];      // go here to give up a request that was taken and not begun
}

inline uint64_t agent_address(uint64_t base, const char* label) { return base + static_cast<uint64_t>(label - pmi_agent_begin); }

}  // namespace pmi
