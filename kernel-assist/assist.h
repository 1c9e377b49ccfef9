// Takes the user half of a stopped process's state out of the kernel, and puts it into another. One interface, two
// implementations: user space (ptrace, /proc and injected system calls; always there), and later a kernel module.
// Memory contents are not its business (remote/movers). Everything here is called by the tracer's thread, on
// threads that are stopped with all signals blocked.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "interpose/agent/agent.h"
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"
#include "runtime/tracee/freezer.h"

namespace pmi {

// Where the agent is in the process, and which of its memory may be scribbled on.
struct AgentPlace {
    uint64_t base = 0;
    uint64_t scratch = 0;
    uint64_t scratch_size = kGuestScratch;
    // One of `count` equal parts of the scratch memory: for threads that are at it at a time.
    AgentPlace part(uint64_t i, uint64_t count) const { return {base, scratch + scratch_size / count * i, scratch_size / count}; }
};

// A stopped thread, by its number here, and what belongs into it.
struct ThreadState {
    pid_t tid = 0;
    const wire::Thread* state = nullptr;
};

// Where the threads go on.
enum class GoesOn { AtHome, Away };

class Assist {
  public:
    virtual ~Assist() = default;

    // All of the image except regions, files, the CPU clocks and pending signals. Resource limits that it has already are left as
    // they are.
    virtual Status capture(const Frozen& frozen, AgentPlace agent, StopWaiter& waiter, wire::Image& image) = 0;

    // Dispositions, layout (brk, arguments, auxv), personality, guard pages: of the process, through its leader, before memory is
    // locked.
    virtual Status install_process(pid_t leader, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) = 0;
    // Alternate stack, TID address, robust list, rseq, vector registers. After this, release_thread().
    virtual Status install_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) = 0;
    // General registers, what is left of a timeout, signal mask: the last step before the thread goes on.
    virtual Status release_thread(pid_t tid, const wire::Thread& thread, const RemoteMemory& memory, int64_t home_monotonic_ns,
                                  GoesOn where) = 0;
    // The opposite of install_threads: nothing in the kernel points into these threads' memory any more.
    virtual Status strip_threads(const std::vector<ThreadState>& threads, AgentPlace agent, StopWaiter& waiter) = 0;

    // The same for the process: its timers of CPU time, which would count the deputy's, and its guard pages, where the program may
    // have memory by the time that it is back.
    virtual Status strip_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) = 0;

    // What the process has told its kernel while it was in the other half: timers of CPU time, membarrier
    // registrations, THP, guard pages.
    virtual Status settle_process(pid_t tid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) = 0;
    // What is pending in the other half, for requeue_signals. What is pending at home stays there: the kernel walks the queue from
    // its start for each signal that it shows, so that a full queue takes it a minute.
    virtual Status capture_signals(const Frozen& frozen, wire::Image& image) = 0;
    // Leaves the dispositions and layout alone and re-queues what was pending in the other half.
    virtual Status requeue_signals(pid_t pid, const wire::Image& image, AgentPlace agent, StopWaiter& waiter) = 0;
};

std::unique_ptr<Assist> make_assist();

}  // namespace pmi
