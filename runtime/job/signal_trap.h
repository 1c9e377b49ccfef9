// --trap-signals: turns the two steering signals into requests for programs that libpmi.so can't help (static
// ones). A helper process stays attached to PROGRAM and whatever it forks, lets everything pass (no system
// call is traced), and takes only SIGRTMAX-1 and SIGRTMAX away, and these only where their default action
// would be the program's end. It lets go of a process while a worker has it: there can be one tracer.
#pragma once
#include <sys/types.h>

#include <deque>
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

    static Expected<std::unique_ptr<SignalTrap>> start(control::EventLoop& loop, pid_t program, OnSignal on_signal);
    ~SignalTrap();
    SignalTrap(const SignalTrap&) = delete;
    SignalTrap& operator=(const SignalTrap&) = delete;

    // Detaches from all threads of `pid`, then calls `released`.
    void release(pid_t pid, std::function<void()> released);
    void attach(pid_t pid);
    pid_t pid() const { return helper_; }

  private:
    SignalTrap(control::EventLoop& loop, Fd channel, pid_t helper, OnSignal on_signal)
        : loop_(loop), channel_(std::move(channel)), helper_(helper), on_signal_(std::move(on_signal)) {}
    void on_channel();
    void answer_releases(pid_t pid);

    control::EventLoop& loop_;
    Fd channel_;
    pid_t helper_;
    OnSignal on_signal_;
    std::map<pid_t, std::vector<std::function<void()>>> releasing_;
};

// The helper's side: runs until `channel` is closed. Exposed for start() alone.
[[noreturn]] void run_signal_trap(int channel, pid_t program);

// What goes over the channel, both ways.
enum class TrapWord : int32_t { Attach, Release, Released, Away, Home };
struct TrapMessage {
    TrapWord word;
    pid_t pid;
};

}  // namespace pmi::job
