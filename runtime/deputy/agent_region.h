// The agent in the deputies of one family: its code, and the memory that deputies and their supervisor share (one
// memfd; children that deputies fork have it too). Made once, by system calls that the program's leader is made to
// perform while the process is stopped; each process gives it up when it comes home.
#pragma once
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "interpose/agent/agent.h"
#include "kernel-assist/assist.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/tracee/injector.h"

namespace pmi {

class AgentRegion {
  public:
    // `pid`'s threads are stopped, signals blocked. At `base`, or (0) where there is most room.
    static Expected<std::shared_ptr<AgentRegion>> place(pid_t pid, StopWaiter& waiter, uint64_t base = 0);
    // The one at `base`; `data`: our own mapping of what it shares with us, from kAgentData on.
    AgentRegion(uint64_t base, Mapping data) : base_(base), data_(std::move(data)), taken_(kMaxSlots, false) {}
    // Unmaps it from a stopped process.
    static Status remove(pid_t pid, uint64_t base, StopWaiter& waiter);

    uint64_t base() const { return base_; }
    // For batches, where no call is in flight.
    AgentPlace place_for_batches() const { return {base_, base_ + kArenasOffset + (kMaxSlots - 2) * kArenaSize}; }

    // Slots, by number. Thread-safe.
    Expected<uint32_t> allocate_slot();
    void free_slot(uint32_t index);
    size_t free_slots() const;
    Slot* slot(uint32_t index) const;
    std::span<std::byte> arena(uint32_t index) const;
    AgentHeader* header() const;

    // For a call that is too large for its slot's arena. Of the region, which lives longer.
    class LargeArena {
      public:
        LargeArena(AgentRegion& region, uint32_t index) : region_(&region, Free{index}) {}
        std::span<std::byte> memory() const;
        uint64_t address() const { return region_->base_ + offset(); }

      private:
        struct Free {
            uint32_t index;
            void operator()(AgentRegion* region) const;
        };
        uint64_t offset() const { return kLargeArenasOffset + region_.get_deleter().index * kLargeArenaSize; }
        std::unique_ptr<AgentRegion, Free> region_;
    };
    // Nothing while others have them all. Thread-safe.
    std::optional<LargeArena> take_large_arena();
    uint64_t slot_address(uint32_t index) const { return base_ + kSlotsOffset + index * sizeof(Slot); }
    uint64_t arena_address(uint32_t index) const { return base_ + kArenasOffset + index * kArenaSize; }
    uint64_t header_address() const { return base_ + kAgentData; }

    // Registers with which a stopped deputy thread enters its loop.
    Registers loop_registers(const Registers& like, uint32_t slot) const;

  private:
    uint64_t base_;
    Mapping data_;  // from kAgentData on
    mutable std::mutex mutex_;
    std::vector<bool> taken_;
    std::array<bool, kLargeArenas> large_taken_{};
};

}  // namespace pmi
