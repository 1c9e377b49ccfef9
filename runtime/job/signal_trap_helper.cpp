// The helper process of --trap-signals: a tracer that lets everything pass but two signals (ptrace(2),
// PTRACE_SEIZE).
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <set>

#include "runtime/base/clock.h"
#include "runtime/job/signal_trap.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi::job {
namespace {

constexpr long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;

class Tracer {
  public:
    Tracer(int channel, pid_t program) : channel_(channel), program_(program) {}
    void attach();
    // False: nothing is left to trace.
    bool reap();

  private:
    void on_stop(pid_t tid, int status);
    void on_signal(pid_t tid, int signal);
    void let_child_go(pid_t tid, int status) const;
    void tell(TrapWord word, pid_t pid) const;

    int channel_;
    pid_t program_;
    std::set<pid_t> threads_;
};

void Tracer::tell(TrapWord word, pid_t pid) const {
    TrapMessage message{word, pid};
    (void)!::send(channel_, &message, sizeof message, MSG_NOSIGNAL);
}

void Tracer::attach() {
    // Threads started meanwhile are followed by the option, or found in the next pass.
    for (bool found = true; found;) {
        found = false;
        auto tids = list_threads(program_);
        if (!tids) return;
        for (pid_t tid : *tids) {
            if (threads_.contains(tid) || ::ptrace(PTRACE_SEIZE, tid, 0, kOptions) != 0) continue;
            threads_.insert(tid);
            found = true;
        }
    }
}

// A program that handles or ignores the signal keeps it; so does one whose disposition can't be seen.
bool would_kill(pid_t tid, int signal) {
    auto status = read_status(tid);
    uint64_t bit = 1ULL << (signal - 1);
    return status && ((status->sig_caught | status->sig_ignored) & bit) == 0;
}

// Some calls (epoll_wait, semop, ...) end with EINTR for any signal, also for one that is taken away. When they began is not
// known: they wait for all of their timeout anew.
void go_on_after_eintr(pid_t tid) {
    auto registers = get_registers(tid);
    if (!registers || static_cast<int64_t>(registers->rax) != -EINTR) return;
    auto settled = settle(*registers, monotonic_ns(), RestartBlock::Stays, false, RemoteMemory(tid));
    if (settled && static_cast<int64_t>(registers->rax) != -EINTR) (void)set_registers(tid, *registers);
}

void Tracer::on_signal(pid_t tid, int signal) {
    bool steers = signal == SIGRTMAX || signal == SIGRTMAX - 1;
    if (steers && would_kill(tid, signal)) {
        tell(signal == SIGRTMAX ? TrapWord::Home : TrapWord::Away, program_);
        signal = 0;
        go_on_after_eintr(tid);
    }
    ::ptrace(PTRACE_CONT, tid, 0, signal);
}

bool is_group_stop(int signal) { return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU; }

// Attached by the kernel, before its first instruction. It gets a tracer of its own.
void Tracer::let_child_go(pid_t tid, int status) const {
    ::ptrace(PTRACE_DETACH, tid, 0, status >> 16 == 0 ? WSTOPSIG(status) : 0);
    tell(TrapWord::Born, tid);
}

void Tracer::on_stop(pid_t tid, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    if (!threads_.contains(tid)) {
        auto s = read_status(tid);
        if (s && s->tgid != program_) return let_child_go(tid, status);
        threads_.insert(tid);
    }
    if (event == 0) return on_signal(tid, signal);
    // Whoever waits for it hears of its end at once: of one that is traced only when its tracer has.
    if (event == PTRACE_EVENT_EXIT) {
        ::ptrace(PTRACE_DETACH, tid, 0, 0);
        threads_.erase(tid);
        return;
    }
    bool listen = event == PTRACE_EVENT_STOP && is_group_stop(signal);
    ::ptrace(listen ? PTRACE_LISTEN : PTRACE_CONT, tid, 0, 0);
}

bool Tracer::reap() {
    int status = 0;
    pid_t tid = 0;
    while ((tid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
        if (WIFSTOPPED(status))
            on_stop(tid, status);
        else
            threads_.erase(tid);
    }
    return tid == 0 || errno != ECHILD;
}

}  // namespace

void run_signal_trap(int channel, pid_t program) {
    sigset_t waits;
    ::sigemptyset(&waits);
    ::sigaddset(&waits, SIGCHLD);
    ::sigaddset(&waits, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &waits, nullptr);
    Tracer tracer(channel, program);
    tracer.attach();
    bool told_to_end = false;
    // What has stopped is seen to before this ends: the kernel would let its signals through.
    while (tracer.reap() && !told_to_end) told_to_end = ::sigwaitinfo(&waits, nullptr) == SIGTERM;
    ::_exit(0);
}

}  // namespace pmi::job
