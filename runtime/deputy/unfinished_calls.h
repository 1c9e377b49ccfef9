// Threads at home that make the rest of a call which a move cut short (partial_transfer.h). Until that call ends its
// thread stays traced, for its result is the sum of both parts; a signal that ends it early gives the program the count
// so far, as it would have natively. Used by the tracer's thread alone.
#pragma once
#include <map>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/tracee/freezer.h"
#include "runtime/tracee/injector.h"
#include "runtime/tracee/ptrace.h"

namespace pmi {

class UnfinishedCalls {
  public:
    // The stopped thread's registers say that its call is to be made again.
    Status go_on(HomePid pid, pid_t tid, uint64_t transferred);
    // One of these threads has stopped or ended.
    Status handle_stop(pid_t tid, const Stop& stop);
    // All threads of the process that are here stop as by PTRACE_INTERRUPT, and are no longer ours.
    Expected<std::vector<HeldThread>> hold(HomePid pid, StopWaiter& waiter);

    bool contains(pid_t tid) const { return calls_.contains(tid); }
    HomePid process_of(pid_t tid) const { return calls_.at(tid).pid; }
    bool has(HomePid pid) const;
    bool empty() const { return calls_.empty(); }

  private:
    struct Unfinished {
        HomePid pid;
        uint64_t transferred = 0;  // bytes
        Registers original{};      // as the program made the call
        bool in_call = false;
    };
    Status let_go(pid_t tid, const Unfinished& call, uint64_t result, int signal);
    Expected<HeldThread> hold_one(pid_t tid, Unfinished& call, StopWaiter& waiter);

    std::map<pid_t, Unfinished> calls_;
};

}  // namespace pmi
