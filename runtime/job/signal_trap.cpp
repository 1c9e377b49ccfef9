#include "runtime/job/signal_trap.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace pmi::job {

Expected<std::unique_ptr<SignalTrap>> SignalTrap::start(control::EventLoop& loop, pid_t program, OnSignal on_signal) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Fd ours(pair[0]), theirs(pair[1]);
    pid_t helper = ::fork();
    if (helper < 0) return fail_errno("fork the signal trap");
    if (helper == 0) {
        ::prctl(PR_SET_NAME, "pmi-trap");
        ::dup2(theirs.get(), 3);
        ::syscall(SYS_close_range, 4, ~0U, 0);
        run_signal_trap(3, program);
    }
    std::unique_ptr<SignalTrap> trap(new SignalTrap(loop, std::move(ours), helper, std::move(on_signal)));
    TRY(loop.watch(trap->channel_.get(), EPOLLIN, [raw = trap.get()](uint32_t) { raw->on_channel(); }));
    return trap;
}

// Its tracees are let go by the kernel when it ends (no PTRACE_O_EXITKILL).
SignalTrap::~SignalTrap() {
    loop_.forget(channel_.get());
    channel_.reset();
    ::kill(helper_, SIGKILL);
    ::waitpid(helper_, nullptr, 0);
}

void SignalTrap::release(pid_t pid, std::function<void()> released) {
    releasing_[pid].push_back(std::move(released));
    TrapMessage message{TrapWord::Release, pid};
    if (::send(channel_.get(), &message, sizeof message, MSG_NOSIGNAL) != sizeof message) answer_releases(pid);
}

void SignalTrap::attach(pid_t pid) {
    TrapMessage message{TrapWord::Attach, pid};
    (void)!::send(channel_.get(), &message, sizeof message, MSG_NOSIGNAL);
}

void SignalTrap::answer_releases(pid_t pid) {
    auto waiting = std::move(releasing_[pid]);
    releasing_.erase(pid);
    for (auto& released : waiting) released();
}

void SignalTrap::on_channel() {
    TrapMessage message{};
    ssize_t n = ::recv(channel_.get(), &message, sizeof message, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n != sizeof message) {  // the helper is gone, and with it every attachment
        loop_.forget(channel_.get());
        auto all = releasing_;
        for (auto& [pid, waiting] : all) answer_releases(pid);
        return;
    }
    if (message.word == TrapWord::Released) answer_releases(message.pid);
    if (message.word == TrapWord::Away) on_signal_(message.pid, "away");
    if (message.word == TrapWord::Home) on_signal_(message.pid, "home");
}

}  // namespace pmi::job
