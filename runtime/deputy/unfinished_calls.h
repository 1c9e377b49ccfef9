// Threads at home whose call can't be left to them: it is the rest of one that a move cut short (partial_transfer.h), or
// it was interrupted and has a deadline that it would count anew (socket_timeout.h). Until that call ends its thread
// stays traced. A signal that ends it early gives the program what it would have given natively: the count so far, or EINTR.
// Used by the tracer's thread alone.
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/tracee/freezer.h"
#include "runtime/tracee/injector.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

class UnfinishedCalls {
  public:
    static bool is_unfinished(uint64_t transferred, const std::optional<CallDeadline>& deadline) {
        return transferred != 0 || deadline.has_value();
    }
    // The stopped thread's registers say that its call is to be made again.
    Status go_on(HomePid pid, const HeldThread& thread);
    // It is attached for nothing, and will stop once: then it is let go, or its call goes on here.
    void await_stop(HomePid pid, const LateThread& thread) { late_[thread.tid] = {pid, thread.began_ns}; }
    // One of these threads has stopped or ended.
    Status handle_stop(pid_t tid, const Stop& stop);
    // All threads of the process that are here stop as by PTRACE_INTERRUPT, and are no longer ours.
    Expected<FreezeLeft> hold(HomePid pid, StopWaiter& waiter);

    // Ends the calls whose deadline has passed.
    Status check_deadlines(int64_t now_ns);
    int64_t next_deadline_ns() const;  // INT64_MAX: none

    bool contains(pid_t tid) const { return calls_.contains(tid) || late_.contains(tid); }
    HomePid process_of(pid_t tid) const { return calls_.contains(tid) ? calls_.at(tid).pid : late_.at(tid).pid; }
    bool has(HomePid pid) const;
    bool empty() const { return calls_.empty() && late_.empty(); }

  private:
    struct Unfinished {
        HomePid pid;
        uint64_t transferred = 0;  // bytes
        std::optional<CallDeadline> deadline;
        Registers original{};  // as the program made the call
        bool in_call = false;
        bool time_is_up = false;  // its next stop is by us
    };
    struct Late {
        HomePid pid;
        int64_t began_ns = 0;
    };
    Status late_stopped(pid_t tid, const Late& late, const Stop& stop);
    Status issue(pid_t tid, Unfinished& call);
    Status call_ended(pid_t tid, Unfinished& call);
    Status let_go(pid_t tid, const Unfinished& call, int64_t result, int signal);
    Expected<HeldThread> hold_one(pid_t tid, Unfinished& call, StopWaiter& waiter);

    std::map<pid_t, Unfinished> calls_;
    std::map<pid_t, Late> late_;
};

}  // namespace pmi
