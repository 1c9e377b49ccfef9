// Stops every thread of a process that nobody traces, unseen by it: PTRACE_SEIZE and PTRACE_INTERRUPT give no
// signal, and what the stop did to a system call is mended (interrupted.h).
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/tracee/injector.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/ptrace.h"
#include "runtime/tracee/restarted_call.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {

struct FrozenThread {
    pid_t tid = 0;
    Registers registers{};     // as the thread has to go on
    uint64_t signal_mask = 0;  // the program's; while frozen all signals are blocked
    int64_t began_ns = 0;      // since when it has been waiting
    PendingTimeout timeout{};
    bool has_restart_block = false;        // the task's own, restart_syscall(2): if it goes on itself, so does its call
    uint64_t transferred = 0;              // bytes, by the call that is to be made again for the rest (partial_transfer.h)
    std::optional<CallDeadline> deadline;  // of the call that is to be made again, where no argument holds it
    bool ended = false;                    // a leader that exited before its other threads
};

struct Frozen {
    pid_t pid = 0;
    std::vector<FrozenThread> threads;  // the leader first
    bool job_stopped = false;           // by job control, and to stay so
    // A thread that still has the address space.
    pid_t alive() const {
        for (const auto& t : threads)
            if (!t.ended) return t.tid;
        return pid;
    }
};

// Address range of the kernel's own code in the process.
struct VdsoRange {
    uint64_t start = 0, end = 0;
};
Expected<VdsoRange> find_vdso(pid_t pid);

// A thread that is stopped, and whose call can't be left to it: there are bytes that it has transferred, or a deadline.
struct HeldThread {
    pid_t tid = 0;
    uint64_t transferred = 0;
    std::optional<CallDeadline> deadline;
};

// One that is still to stop, for nothing: let go of then (mend_call).
struct LateThread {
    pid_t tid = 0;
    int64_t began_ns = 0;  // since when it has been waiting, as it was before it was told to stop
};

// What a freeze that failed leaves attached.
struct FreezeLeft {
    std::vector<HeldThread> held;  // stopped, with their own registers
    std::vector<LateThread> late;
};

// Mends what a stop did to the call of a stopped thread, which has been waiting since `began_ns`. With an answer, its call can't be
// left to it; without one it may be detached.
std::optional<HeldThread> mend_call(pid_t pid, pid_t tid, int64_t began_ns);

// Stops all threads, which die if their tracer does. `left` has the threads that the caller has stopped already; on failure all
// but what it says then are running again and unattached. `restarted`: as put_back() has told before. Fails after timeout_ms when
// a thread can't be stopped (the parent in a vfork, uninterruptible sleep).
Expected<Frozen> freeze(pid_t pid, RestartBlock block, StopWaiter& waiter, int timeout_ms,
                        const std::vector<RestartedCall>& restarted, FreezeLeft& left);
// The thread has its own registers and signal mask again; it is still stopped. Tells if its call will go on by restart_syscall(2).
Expected<std::optional<RestartedCall>> put_back(const FrozenThread& thread);

// Steps a stopped thread until it has left the vDSO: the destination's may be another build, and its data page
// holds other numbers. Signals must be blocked.
Status step_out_of_vdso(pid_t tid, VdsoRange vdso, StopWaiter& waiter);

}  // namespace pmi
