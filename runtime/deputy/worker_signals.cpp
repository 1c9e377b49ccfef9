// Signals that deputies get: those that have a handler are the guest's.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "kernel-assist/userspace/pending_signals.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/mapping_query.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

uint64_t bit(int signal) { return uint64_t{1} << (signal - 1); }
bool is_stop_signal(int s) { return s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU; }
bool dumps_core(pid_t pid, int s) {
    static constexpr int kCore[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};
    rlimit limit{};
    return std::find(std::begin(kCore), std::end(kCore), s) != std::end(kCore) &&
           ::prlimit(pid, RLIMIT_CORE, nullptr, &limit) == 0 && limit.rlim_cur > 0;
}
bool is_fault(int s) { return s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == SIGILL || s == SIGTRAP; }
bool is_ignored_by_default(int s) { return s == SIGCHLD || s == SIGURG || s == SIGWINCH || s == SIGCONT; }
// libpmi.so's own handler of the steering signals, which does here what it would ask us for.
bool is_preload_code(pid_t tid, uint64_t address) {
    auto mapping = find_mapping(tid, address);
    return mapping && *mapping && (*mapping)->name.ends_with("/libpmi.so");
}
const int kGoAwaySignal = SIGRTMAX - 1, kComeHomeSignal = SIGRTMAX;

}  // namespace

// A thread may have blocked it away, and home not been told yet (runtime/guest/guest_mask.cpp). What the mask here blocks was let
// through by the call that the thread is in (sigsuspend, ppoll, ...).
Status Worker::handle_signal(DeputyProcess& p, DeputyThread& t, int signal) {
    bool may_be_blocked = p.session->masks_late() && p.running && signal != SIGSTOP && !p.session->is_cut();
    if (!may_be_blocked) return take_signal(p, t, signal);
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
    if ((mask & bit(signal)) != 0) return take_signal(p, t, signal);
    t.asked_signal = signal;
    return t.wants_quiet ? put_signal_back(p, t) : ask_mask(p, t);
}

// It stays in this stop until the node has answered.
Status Worker::ask_mask(const DeputyProcess& p, const DeputyThread& t) {
    tell(p, FrameType::AskMask, MaskHead{p.pid.value, t.tid.value, t.asked_signal, Blocked::No, 0});
    return {};
}

Status Worker::handle_mask(const MaskHead& answer) {
    DeputyProcess* p = process_of(HomePid(answer.pid));
    if (p == nullptr || !p->threads.contains(HomePid(answer.tid))) return {};
    DeputyThread& t = p->threads.at(HomePid(answer.tid));
    if (t.asked_signal == 0 || t.asked_signal != answer.signal) return {};  // it has been made quiet meanwhile
    int signal = std::exchange(t.asked_signal, 0);
    if (answer.is_blocked == Blocked::No) return take_signal(*p, t, signal);
    if (answer.is_blocked == Blocked::Behind) {
        TRY_ASSIGN(siginfo_t info, get_signal_info(t.tid.value));
        tell(*p, FrameType::Signal, SignalHead{p->pid.value, t.tid.value, info});
        TRY(settle_call(*p, t, Interrupted::GoOnAsIfNothing, false));
        return let_run(t);
    }
    TRY(set_signal_mask(t.tid.value, answer.mask | bit(signal)));
    TRY(settle_call(*p, t, Interrupted::GoOnAsIfNothing, false));
    TRY_ASSIGN(int again, queue_again(*p, t, signal));
    return let_run(t, again);
}

// For a thread that is made quiet: it stops once more, for our INTERRUPT.
Status Worker::put_signal_back(const DeputyProcess& p, DeputyThread& t) {
    TRY_ASSIGN(t.mask_when_asked, get_signal_mask(t.tid.value));
    TRY(set_signal_mask(t.tid.value, kEverySignal));
    TRY_ASSIGN(int again, queue_again(p, t, std::exchange(t.asked_signal, 0)));
    return let_run(t, again);
}

// The signal of this stop, which is blocked now, has to be pending. What the thread is to be resumed with: the kernel itself queues
// a signal again that is blocked, for the thread or the process, as it was; but behind others of its number, also behind those that
// come before it gets to it. These it must not be overtaken by: so it becomes the first of those that are the thread's own, which
// come before the process's. Where there are other threads, one of which may wait for the process's, only if others are there
// already.
Expected<int> Worker::queue_again(const DeputyProcess& p, const DeputyThread& t, int signal) {
    TRY_ASSIGN(ProcStatus status, read_status(p.pid.value, t.tid.value));
    bool has_others = ((status.sig_pending | status.shared_pending) & bit(signal)) != 0;
    bool is_in_row = signal >= kFirstRealTime && (has_others || p.threads.size() == 1);
    if (!is_in_row) return signal;
    TRY_ASSIGN(siginfo_t info, get_signal_info(t.tid.value));
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
    TRY(set_signal_mask(t.tid.value, kInjectionMask));
    pid_t pid = p.pid.value, tid = t.tid.value;
    AgentPlace agent = p.region().place_for_batches();
    TRY_ASSIGN(auto later, take_own_signals(pid, tid, bit(signal), agent, *this));
    if (later) {
        later->insert(later->begin(), info);
        TRY_ASSIGN(size_t refused, queue_signals(pid, tid, QueuedFor::Thread, *later, agent, *this));
        if (refused != 0) spdlog::warn("process {}: {} signals are lost to its limit of queued ones", pid, refused);
    }
    TRY(set_signal_mask(t.tid.value, mask));
    return later ? 0 : signal;  // not looked at, it is in its stop still
}

Status Worker::take_signal(DeputyProcess& p, DeputyThread& t, int signal) {
    p.signals_taken++;
    TRY_ASSIGN(ProcStatus status, read_status(p.pid.value, t.tid.value));
    bool is_caught = (status.sig_caught & bit(signal)) != 0;
    bool is_ignored = (status.sig_ignored & bit(signal)) != 0 || (!is_caught && is_ignored_by_default(signal));
    TRY_ASSIGN(siginfo_t info, get_signal_info(t.tid.value));
    bool steers = signal == kComeHomeSignal || signal == kGoAwaySignal;
    if (is_caught && steers) {
        TRY_ASSIGN(SignalAction action, action_of(p, t, signal));
        is_caught = !is_preload_code(t.tid.value, action.handler);
    }
    if (is_caught) {
        SignalHead passed{p.pid.value, t.tid.value, info};
        if (!p.running) p.passed_on.push_back(passed);
        tell(p, FrameType::Signal, passed);
        TRY(settle_call(p, t, Interrupted::DeliverResult, false));
        TRY(reset_one_shot_handler(p, t, signal));
        return let_run(t);
    }
    if (!is_ignored && steers) {
        if (signal == kComeHomeSignal)
            p.wants_home = kSteeredHome, p.can_wait = false;
        else
            send({{"event", "steer"}, {"pid", p.pid.value}, {"want", "away"}});
        is_ignored = true;
    }
    if (is_ignored) {
        TRY(settle_call(p, t, Interrupted::GoOnAsIfNothing, false));
        return let_run(t);
    }
    if (dumps_core(p.pid.value, signal) && p.running && !p.fatal) return die_at_home(p, t);
    // Stops, and what is fatal by default: the deputy suffers it itself, with all that follows for its parent.
    if (is_stop_signal(signal)) TRY(settle_call(p, t, Interrupted::GoOnAsIfNothing, false));
    return let_run(t, signal);
}

// Its memory is in the guest: it comes home and dies there, so that the core is the program's. The thread stays where it
// is, about to get the signal, until the return makes it quiet.
Status Worker::die_at_home(DeputyProcess& p, DeputyThread& t) {
    TRY_ASSIGN(siginfo_t info, get_signal_info(t.tid.value));
    p.fatal = FatalSignal{t.tid, info};
    p.wants_home = fmt::format("its core dump of signal {}", info.si_signo);
    return {};
}

// There is nothing left of its memory that could come home: the deputy dies of the signal in its place.
Status Worker::die_of(DeputyProcess& p, const SignalHead& fault) {
    auto at = p.threads.find(HomePid(fault.tid));
    HomePid tid = at == p.threads.end() ? p.pid : at->first;
    int signal = fault.info.si_signo;
    p.fatal = FatalSignal{tid, fault.info};
    auto status = read_status(p.pid.value, tid.value);
    bool is_deadly =
        status && is_fault(signal) && ((status->sig_blocked | status->sig_ignored | status->sig_caught) & bit(signal)) == 0;
    (void)::syscall(SYS_tgkill, p.pid.value, tid.value, is_deadly ? signal : SIGKILL);
    return {};
}

// Takes the thread out of a signal-delivery-stop.
Expected<Worker::SignalAction> Worker::action_of(const DeputyProcess& p, const DeputyThread& t, int signal) {
    SignalAction action;
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
    TRY(set_signal_mask(t.tid.value, kInjectionMask));
    Batch ask(t.tid.value, t.tid.value, p.region().place_for_batches(), *this);
    uint64_t at = ask.space(sizeof action);
    ask.call(SYS_rt_sigaction, static_cast<uint64_t>(signal), 0, at, 8);
    TRY(ask.run());
    std::memcpy(&action, ask.bytes(at, sizeof action).data(), sizeof action);
    TRY(set_signal_mask(t.tid.value, mask));
    return action;
}

// SA_RESETHAND: the guest's kernel forgets the handler as it runs it; home's has to do the same.
Status Worker::reset_one_shot_handler(const DeputyProcess& p, const DeputyThread& t, int signal) {
    TRY_ASSIGN(SignalAction action, action_of(p, t, signal));
    if ((action.flags & static_cast<uint64_t>(SA_RESETHAND)) == 0) return {};
    action.handler = 0;  // SIG_DFL; flags and mask stay
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
    TRY(set_signal_mask(t.tid.value, kInjectionMask));
    Batch reset(t.tid.value, t.tid.value, p.region().place_for_batches(), *this);
    reset.call(SYS_rt_sigaction, static_cast<uint64_t>(signal), reset.data(&action, sizeof action), 0, 8);
    TRY(reset.run());
    return set_signal_mask(t.tid.value, mask);
}

}  // namespace pmi
