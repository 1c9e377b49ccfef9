#include "runtime/job/signal_trap.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/base/log.h"
#include "runtime/kernel/procfs.h"

namespace pmi::job {
namespace {

constexpr int kChannel = 3;

[[noreturn]] void be_helper(int channel, pid_t supervisor, pid_t program) {
    ::prctl(PR_SET_NAME, "pmi-trap");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != supervisor) ::_exit(0);
    ::dup2(channel, kChannel);
    ::syscall(SYS_close_range, kChannel + 1, ~0U, 0);
    run_signal_trap(kChannel, program);
}

}  // namespace

Expected<std::unique_ptr<SignalTrap>> SignalTrap::start(control::EventLoop& loop, OnSignal on_signal, IsElsewhere is_elsewhere) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    std::unique_ptr<SignalTrap> trap(new SignalTrap(loop, Fd(pair[0]), Fd(pair[1]), std::move(on_signal), std::move(is_elsewhere)));
    TRY(loop.watch(trap->channel_.get(), EPOLLIN, [raw = trap.get()](uint32_t) { raw->on_channel(); }));
    return trap;
}

SignalTrap::~SignalTrap() {
    loop_.forget(channel_.get());
    for (auto& [program, helper] : helpers_) {
        loop_.forget(helper.pidfd.get());
        ::kill(helper.pid, SIGKILL);
        ::waitpid(helper.pid, nullptr, 0);
    }
}

void SignalTrap::attach(pid_t program) {
    if (auto known = helpers_.find(program); known != helpers_.end()) {
        known->second.attach_again = !known->second.released.empty();
        return;
    }
    pid_t supervisor = ::getpid(), pid = ::fork();
    if (pid == 0) be_helper(of_helpers_.get(), supervisor, program);
    if (pid < 0) return spdlog::warn("process {}: its steering signals are not trapped: fork: errno {}", program, errno);
    Helper helper{pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), {}, false};
    auto watched = loop_.watch(helper.pidfd.get(), EPOLLIN, [this, program](uint32_t) { helper_ended(program); });
    if (!watched) {
        spdlog::warn("process {}: its steering signals are not trapped: {}", program, watched.error().message());
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return;
    }
    helpers_[program] = std::move(helper);
}

void SignalTrap::attach_child(pid_t pid) {
    if (!helpers_.contains(pid) && !is_elsewhere_(pid)) attach(pid);
}

void SignalTrap::release(pid_t program, std::function<void()> released) {
    auto helper = helpers_.find(program);
    if (helper == helpers_.end()) return released();
    helper->second.attach_again = false;
    helper->second.released.push_back(std::move(released));
    ::kill(helper->second.pid, SIGTERM);
}

void SignalTrap::helper_ended(pid_t program) {
    Helper helper = std::move(helpers_.extract(program).mapped());
    loop_.forget(helper.pidfd.get());
    ::waitpid(helper.pid, nullptr, 0);
    // What it forked just now, and was not told of: it has no tracer.
    if (auto children = list_children(program); children && !helper.released.empty())
        for (pid_t child : *children) attach_child(child);
    for (auto& released : helper.released) released();
    if (helper.attach_again) attach(program);
}

void SignalTrap::on_channel() {
    TrapMessage message{};
    if (::recv(channel_.get(), &message, sizeof message, MSG_DONTWAIT) != sizeof message) return;
    if (message.word == TrapWord::Born) attach_child(message.pid);
    if (message.word == TrapWord::Away) on_signal_(message.pid, "away");
    if (message.word == TrapWord::Home) on_signal_(message.pid, "home");
}

std::vector<pid_t> SignalTrap::tracers() const {
    std::vector<pid_t> all;
    for (const auto& [program, helper] : helpers_) all.push_back(helper.pid);
    return all;
}

}  // namespace pmi::job
