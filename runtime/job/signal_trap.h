// --trap-signals: turns the two steering signals into requests for programs that libpmi.so can't help (static
// ones). Each process has a tracer of its own, a helper process that lets everything pass (no system call is traced),
// and takes only SIGRTMAX-1 and SIGRTMAX away, and these only where their default action would be the program's end. There can
// be one tracer: it ends when a worker is to have the process. Detaching would take a stop, which cuts calls short;
// of a tracer that ends the kernel lets all go as they are, in the middle of a call too (exit_ptrace in kernel/ptrace.c).
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fd.h"
#include "runtime/control/event_loop.h"

namespace pmi::job {

class SignalTrap {
  public:
    // `want`: "away" or "home".
    using OnSignal = std::function<void(pid_t pid, const std::string& want)>;
    using IsElsewhere = std::function<bool(pid_t pid)>;

    // `is_elsewhere`: a worker sees to that process, and says when it is to be attached.
    static Expected<std::unique_ptr<SignalTrap>> start(control::EventLoop& loop, OnSignal on_signal, IsElsewhere is_elsewhere);
    ~SignalTrap();
    SignalTrap(const SignalTrap&) = delete;
    SignalTrap& operator=(const SignalTrap&) = delete;

    // Also whatever it forks.
    void attach(pid_t pid);
    // Calls `released` when nobody traces `pid` any more.
    void release(pid_t pid, std::function<void()> released);
    std::vector<pid_t> tracers() const;

  private:
    struct Helper {
        pid_t pid = 0;
        Fd pidfd;
        std::vector<std::function<void()>> released;  // it has been told to end if there are any
        bool attach_again = false;
    };
    SignalTrap(control::EventLoop& loop, Fd channel, Fd of_helpers, OnSignal on_signal, IsElsewhere is_elsewhere)
        : loop_(loop),
          channel_(std::move(channel)),
          of_helpers_(std::move(of_helpers)),
          on_signal_(std::move(on_signal)),
          is_elsewhere_(std::move(is_elsewhere)) {}
    void attach_child(pid_t pid);
    void on_channel();
    void helper_ended(pid_t program);

    control::EventLoop& loop_;
    Fd channel_, of_helpers_;  // what all helpers say, and their end of it
    OnSignal on_signal_;
    IsElsewhere is_elsewhere_;
    std::map<pid_t, Helper> helpers_;  // of each process
};

// The helper's side: runs until `program` has ended, or SIGTERM. Exposed for attach() alone.
[[noreturn]] void run_signal_trap(int channel, pid_t program);

// What helpers say.
enum class TrapWord : int32_t { Away, Home, Born /* nobody traces it */ };
struct TrapMessage {
    TrapWord word;
    pid_t pid;
};

}  // namespace pmi::job
