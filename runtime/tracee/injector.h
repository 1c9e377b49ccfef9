// System calls performed by another process's stopped thread: one at a time through any `syscall` instruction in its
// memory, or in batches through the agent (interpose/agent/agent.h). Signals must be blocked in the thread while
// this goes on (the freezer does so).
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "interpose/agent/agent.h"
#include "runtime/base/error.h"
#include "runtime/tracee/injected_run.h"
#include "runtime/tracee/memory.h"

namespace pmi {

// A system call that a process performs for us; its result as the kernel gives it. Error: the process is lost.
using CallThere = std::function<Expected<int64_t>(int64_t nr, const std::array<uint64_t, 6>& args)>;

class Injector {
  public:
    Injector(pid_t tid, StopWaiter& waiter) : tid_(tid), waiter_(waiter) {}

    // Through the two bytes `syscall` at `instruction`; the thread's registers are put back. Result as the kernel
    // gives it (-errno on failure).
    Expected<int64_t> call_at(uint64_t instruction, int64_t nr, const std::array<uint64_t, 6>& args);
    // Runs ops through the agent at agent_base, with scratch memory of at least ops.size() * 64 bytes there; fills
    // in the results. Registers are put back. Error only when the thread itself is lost.
    Status batch(uint64_t agent_base, uint64_t scratch, std::vector<BatchOp>& ops, const RemoteMemory& memory);
    // The same in two steps, so that several threads of a process are at it at a time. What becomes of the disposition of SIGTRAP
    // is the caller's business then (trap_disposition.h). Begun, it has to be ended.
    Status begin_batch(uint64_t agent_base, uint64_t scratch, const std::vector<BatchOp>& ops, const RemoteMemory& memory);
    Status end_batch(uint64_t agent_base, uint64_t scratch, std::vector<BatchOp>& ops, const RemoteMemory& memory);

  private:
    pid_t tid_;
    StopWaiter& waiter_;
    Registers saved_{};  // of a batch that is under way
};

}  // namespace pmi
