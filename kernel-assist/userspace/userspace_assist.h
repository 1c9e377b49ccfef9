// The user-space implementation of Assist. A Batch collects system calls for one stopped thread and the memory that
// their pointers need, and has the agent run them all in one stop.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "kernel-assist/assist.h"

namespace pmi {

class Batch {
  public:
    Batch(pid_t pid, pid_t tid, AgentPlace agent, StopWaiter& waiter)
        : memory_(pid), tid_(tid), agent_(agent), injector_(tid, waiter) {}

    // Scratch memory (16-byte aligned) for a pointer argument; its address in the process.
    uint64_t data(const void* bytes, size_t size);
    uint64_t space(size_t size) { return data(nullptr, size); }
    size_t call(int64_t nr, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0, uint64_t a4 = 0, uint64_t a5 = 0);
    // Runs what was collected, however many calls that are; Error when the thread is lost.
    Status run();
    // The same in two steps (Injector::begin_batch), of some calls.
    Status begin();
    Status end();
    int64_t result(size_t call) const { return ops_[call].result; }
    // Error that names the call when it failed.
    Status check(size_t call, const char* what) const;
    std::string bytes(uint64_t address, size_t size) const;  // of the scratch memory, after run()

  private:
    // A quarter of the scratch memory is for the calls.
    uint64_t calls_room() const { return agent_.scratch_size / 4; }
    size_t most_calls() const { return calls_room() / sizeof(BatchOp); }  // that run at a time
    uint64_t data_room() const { return agent_.scratch_size - calls_room(); }
    uint64_t data_at() const { return agent_.scratch + calls_room(); }
    Status write_data();
    Status read_data();

    RemoteMemory memory_;
    pid_t tid_;
    AgentPlace agent_;
    Injector injector_;
    std::vector<BatchOp> ops_;
    std::string data_;
};

// Batches of several threads of one process at a time: while one runs, the next is made ready. `fill` adds the calls of tids[i],
// `take` their results.
using FillBatch = std::function<void(size_t i, Batch&)>;
using TakeBatch = std::function<Status(size_t i, const Batch&)>;
Status run_batches(const std::vector<pid_t>& tids, AgentPlace agent, StopWaiter& waiter, const FillBatch& fill,
                   const TakeBatch& take);

class UserspaceAssist : public Assist {
  public:
    Status capture(const Frozen& frozen, AgentPlace agent, StopWaiter& waiter, wire::Image& image) override;
    Status install_process(pid_t leader, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) override;
    Status install_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) override;
    Status release_thread(pid_t tid, const wire::Thread& thread, const RemoteMemory& memory, int64_t home_monotonic_ns,
                          GoesOn where) override;
    Status strip_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) override;
    Status strip_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) override;
    Status settle_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) override;
    Status capture_signals(const Frozen& frozen, wire::Image& image) override;
    Status requeue_signals(pid_t pid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) override;
};

}  // namespace pmi
