// The helper process of --trap-signals: a tracer that lets everything pass but two signals (ptrace(2),
// PTRACE_SEIZE).
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <map>
#include <set>

#include "runtime/base/clock.h"
#include "runtime/job/signal_trap.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/freezer.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi::job {
namespace {

constexpr long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;

class Tracer {
  public:
    explicit Tracer(int channel) : channel_(channel) {}
    void attach(pid_t pid);
    void release(pid_t pid);
    void reap();

  private:
    void on_stop(pid_t tid, int status);
    void on_signal(pid_t tid, int signal);
    void detach(pid_t tid, int signal);
    void let_go(pid_t tid);
    void forget(pid_t tid);
    bool is_releasing(pid_t tid) const;
    void tell(TrapWord word, pid_t pid) const;

    int channel_;
    std::map<pid_t, pid_t> process_of_;           // traced threads
    std::map<pid_t, std::set<pid_t>> releasing_;  // process: threads still to be let go
    std::map<pid_t, int64_t> began_;              // of these: since when they had been waiting
};

void Tracer::tell(TrapWord word, pid_t pid) const {
    TrapMessage message{word, pid};
    (void)!::send(channel_, &message, sizeof message, MSG_NOSIGNAL);
}

void Tracer::attach(pid_t pid) {
    // Threads started meanwhile are followed by the option, or found in the next pass.
    for (bool found = true; found;) {
        found = false;
        auto tids = list_threads(pid);
        if (!tids) return;
        for (pid_t tid : *tids) {
            if (process_of_.contains(tid) || ::ptrace(PTRACE_SEIZE, tid, 0, kOptions) != 0) continue;
            process_of_[tid] = pid;
            found = true;
        }
    }
}

void Tracer::release(pid_t pid) {
    auto& waiting = releasing_[pid];
    for (auto& [tid, process] : process_of_) {
        if (process != pid) continue;
        began_[tid] = asleep_since(pid, tid, RestartBlock::Stays).value_or(monotonic_ns());  // the stop itself wakes it
        if (::ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0) waiting.insert(tid);
    }
    if (!waiting.empty()) return;
    releasing_.erase(pid);
    tell(TrapWord::Released, pid);
}

bool Tracer::is_releasing(pid_t tid) const {
    auto process = process_of_.find(tid);
    return process != process_of_.end() && releasing_.contains(process->second);
}

void Tracer::forget(pid_t tid) {
    auto it = process_of_.find(tid);
    if (it == process_of_.end()) return;
    pid_t pid = it->second;
    process_of_.erase(it);
    began_.erase(tid);
    auto waiting = releasing_.find(pid);
    if (waiting == releasing_.end()) return;
    waiting->second.erase(tid);
    if (!waiting->second.empty()) return;
    releasing_.erase(waiting);
    tell(TrapWord::Released, pid);
}

void Tracer::detach(pid_t tid, int signal) {
    ::ptrace(PTRACE_DETACH, tid, 0, signal);
    forget(tid);
}

// Stopped by us, with what that did to its call mended. What has transferred a part ends with that part, since nobody is here to
// see to the rest; what only its socket limits waits for all of that anew.
void Tracer::let_go(pid_t tid) {
    auto began = began_.find(tid);
    auto before = get_registers(tid);
    auto unfinished = mend_call(process_of_[tid], tid, began == began_.end() ? monotonic_ns() : began->second);
    if (before && unfinished) {
        bool is_whole = unfinished->transferred == 0 && static_cast<int64_t>(before->rax) == -EINTR;
        if (is_whole) before->rax = static_cast<uint64_t>(kErestartNoHand);
        (void)set_registers(tid, *before);
    }
    detach(tid, 0);
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
    pid_t pid = process_of_[tid];
    bool steers = signal == SIGRTMAX || signal == SIGRTMAX - 1;
    if (steers && would_kill(tid, signal)) {
        tell(signal == SIGRTMAX ? TrapWord::Home : TrapWord::Away, pid);
        signal = 0;
        go_on_after_eintr(tid);
    }
    if (is_releasing(tid)) return detach(tid, signal);
    ::ptrace(PTRACE_CONT, tid, 0, signal);
}

bool is_group_stop(int signal) { return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU; }

void Tracer::on_stop(pid_t tid, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    if (!process_of_.contains(tid)) {  // a new thread or process, attached by the kernel
        auto s = read_status(tid);
        process_of_[tid] = s ? s->tgid : tid;
        if (is_releasing(tid)) releasing_[process_of_[tid]].insert(tid);
    }
    if (event == 0) return on_signal(tid, signal);
    // Whoever waits for it hears of its end at once: of one that is traced only when its tracer has.
    if (event == PTRACE_EVENT_EXIT) return detach(tid, 0);
    // A group-stopped thread stays stopped after detaching: the kernel keeps the stop.
    if (is_releasing(tid)) return event == PTRACE_EVENT_STOP ? let_go(tid) : detach(tid, 0);
    bool listen = event == PTRACE_EVENT_STOP && is_group_stop(signal);
    ::ptrace(listen ? PTRACE_LISTEN : PTRACE_CONT, tid, 0, 0);
}

void Tracer::reap() {
    int status = 0;
    pid_t tid = 0;
    while ((tid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
        if (WIFSTOPPED(status))
            on_stop(tid, status);
        else
            forget(tid);
    }
}

}  // namespace

void run_signal_trap(int channel, pid_t program) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    int children = ::signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    Tracer tracer(channel);
    tracer.attach(program);
    for (;;) {
        pollfd polled[] = {{channel, POLLIN, 0}, {children, POLLIN, 0}};
        if (::poll(polled, 2, -1) < 0 && errno != EINTR) ::_exit(1);
        signalfd_siginfo info;
        while (::read(children, &info, sizeof info) > 0) {
        }
        tracer.reap();
        if (polled[0].revents == 0) continue;
        TrapMessage message{};
        ssize_t n = ::recv(channel, &message, sizeof message, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n != sizeof message) ::_exit(0);
        if (message.word == TrapWord::Attach) tracer.attach(message.pid);
        if (message.word == TrapWord::Release) tracer.release(message.pid);
    }
}

}  // namespace pmi::job
