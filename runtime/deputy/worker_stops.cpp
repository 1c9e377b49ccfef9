// What a deputy's stop means. A deputy thread is always in one of a few places of the agent's loop, and its
// instruction pointer tells which (agent.h):
//   idle_end              asleep, waiting for a request
//   call_begin..call_end  a request is taken, its call has not been made yet
//   call_end              inside (or just back from) the forwarded call
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel-assist/userspace/userspace_assist.h"
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/partial_transfer.h"
#include "runtime/tracee/sleep_clock.h"
#include "runtime/tracee/socket_timeout.h"

namespace pmi {

using nlohmann::json;

namespace {

uint64_t bit(int signal) { return uint64_t{1} << (signal - 1); }
bool is_stop_signal(int s) { return s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU; }
bool dumps_core(pid_t pid, int s) {
    static constexpr int kCore[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};
    rlimit limit{};
    return std::find(std::begin(kCore), std::end(kCore), s) != std::end(kCore) &&
           ::prlimit(pid, RLIMIT_CORE, nullptr, &limit) == 0 && limit.rlim_cur > 0;
}
bool is_ignored_by_default(int s) { return s == SIGCHLD || s == SIGURG || s == SIGWINCH || s == SIGCONT; }
std::array<uint64_t, 6> slot_arguments(const Slot& slot) {
    std::array<uint64_t, 6> args{};
    std::copy(std::begin(slot.args), std::end(slot.args), args.begin());
    return args;
}
// libpmi.so's own handler of the steering signals, which does here what it would ask us for.
bool is_preload_code(pid_t tid, uint64_t address) {
    auto maps = read_maps(tid);
    return maps && std::any_of(maps->begin(), maps->end(), [&](const MapsEntry& m) {
        return m.start <= address && address < m.end && m.name.ends_with("/libpmi.so");
    });
}
const int kGoAwaySignal = SIGRTMAX - 1, kComeHomeSignal = SIGRTMAX;

}  // namespace

Status Worker::handle_children() {
    for (const auto& [tid, status] : std::exchange(ended_, {})) TRY(handle_stop(tid, classify(status)));
    for (;;) {
        int status = 0;
        pid_t tid = ::waitpid(-1, &status, __WALL | WNOHANG | __WNOTHREAD);
        if (tid == 0 || (tid < 0 && errno == ECHILD)) return {};
        if (tid < 0 && errno == EINTR) continue;
        if (tid < 0) return fail_errno("wait for deputies");
        auto handled = handle_stop(tid, classify(status));
        // A deputy may be killed at any time; its end is reported by a later wait.
        if (!handled && handled.error().code() != ESRCH) return handled;
    }
}

Status Worker::handle_stop(pid_t tid, const Stop& stop) {
    if (unfinished_.contains(tid)) return handle_unfinished(tid, stop);
    DeputyProcess* p = process_of_thread(HomePid(tid));
    if (p != nullptr && stop.kind != Stop::Kind::Exited && expected_.contains(tid)) return start_child(*p, tid);
    if (p == nullptr) {
        if (stop.kind == Stop::Kind::Exited) {
            expected_.erase(tid);
            early_children_.erase(tid);
            return {};
        }
        // After an exec by another thread than the leader, the leader's number is the one that reports.
        if (stop.kind == Stop::Kind::Event && stop.event == PTRACE_EVENT_EXEC)
            if (DeputyProcess* q = process_of(HomePid(tid))) return execed(*q, tid);
        early_children_.insert(tid);
        return {};
    }
    if (stop.kind == Stop::Kind::Exited) {
        spdlog::debug("deputy thread {} ended, status {:#x}", tid, stop.status);
        return handle_end(*p, HomePid(tid));
    }
    DeputyThread& t = p->threads.at(HomePid(tid));
    t.stopped = true;
    switch (stop.kind) {
        case Stop::Kind::Signal:
            return handle_signal(*p, t, stop.signal);
        case Stop::Kind::Group:
            return handle_group_stop(*p, t);
        case Stop::Kind::Event:
            return handle_ptrace_event(*p, t, stop.event);
        default:
            return handle_interrupt_stop(*p, t);
    }
}

Status Worker::handle_unfinished(pid_t tid, const Stop& stop) {
    HomePid pid = unfinished_.process_of(tid);
    auto handled = unfinished_.handle_stop(tid, stop);
    if (!unfinished_.has(pid)) send({{"event", "finished"}, {"pid", pid.value}});
    return handled;
}

Status Worker::handle_signal(DeputyProcess& p, DeputyThread& t, int signal) {
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
        TRY(p.session->send(FrameType::Signal, SignalHead{p.pid.value, t.tid.value, info}));
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

// Its call goes on for the rest. The arena is ours to change.
Status Worker::skip_in_slot(const DeputyProcess& p, const DeputyThread& t, Slot& slot, uint64_t transferred) {
    CallArguments call{slot.nr, slot_arguments(slot)};
    TRY(skip_transferred(call, transferred, 0, RemoteMemory(t.tid.value)));
    std::copy(call.args.begin(), call.args.end(), slot.args);
    p.server->note_transferred(t.tid, transferred);
    return {};
}

// The deadline of its call, before the call is made again.
void Worker::keep_deadline(const DeputyProcess& p, const DeputyThread& t, const Slot& slot, Progressed progressed) {
    auto progress = p.server->in_progress(t.tid);
    if (!progress) return;
    int64_t last_ran = t.last_ran_ns != 0 ? t.last_ran_ns : monotonic_ns();
    auto deadline = deadline_of_call(t.tid.value, {slot.nr, slot_arguments(slot)}, progress->began_ns, last_ran);
    if (!deadline) return;
    bool is_known = progress->deadline && !(deadline->of_part && progressed == Progressed::Yes);
    if (deadline->of_part && progressed == Progressed::No) deadline->at_ns += progress->began_ns - last_ran;
    if (!is_known) p.server->set_deadline(t.tid, *deadline);
}

// The deputy's thread is stopped. What does that do to the call that it may be in?
Status Worker::settle_call(const DeputyProcess& p, DeputyThread& t, Interrupted how, bool cancel) {
    TRY_ASSIGN(Registers r, get_registers(t.tid.value));
    auto slot_index = p.server->slot_of(t.tid);
    if (!slot_index) return {};
    if (p.server->prepares_call(t.tid, cancel)) return {};
    Slot& slot = *p.region().slot(*slot_index);
    uint64_t base = p.region().base();
    uint64_t call_begin = agent_address(base, pmi_agent_call_begin), call_end = agent_address(base, pmi_agent_call_end);
    uint64_t cancel_at = agent_address(base, pmi_agent_cancel);
    auto divert = [&](uint64_t to) {
        r.rip = to;
        r.orig_rax = static_cast<uint64_t>(-1);
        return set_registers(t.tid.value, r);
    };
    if (r.rip >= call_begin && r.rip < call_end) return how == Interrupted::DeliverResult ? divert(cancel_at) : Status();
    if (r.rip != call_end) {
        // Not taken yet. Only a call that is to be ended is taken from it.
        if (!cancel || __atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != kSlotRequest) return {};
        __atomic_store_n(&slot.state, kSlotRunning, __ATOMIC_RELEASE);
        return divert(cancel_at);
    }
    if (static_cast<int64_t>(r.orig_rax) < 0) return {};
    auto result = static_cast<int64_t>(r.rax);
    bool goes = !t.exiting && goes_on(t.tid.value, {slot.nr, slot_arguments(slot)}, result, RemoteMemory(t.tid.value));
    if (how == Interrupted::TimeIsUp) {
        auto progress = p.server->in_progress(t.tid);
        if ((result != -EINTR && !is_restart(result)) || !progress || !progress->deadline) return {};
        r.rax = static_cast<uint64_t>(progress->deadline->result);
        r.orig_rax = static_cast<uint64_t>(-1);
        return set_registers(t.tid.value, r);
    }
    if (goes || result == -EINTR) keep_deadline(p, t, slot, goes ? Progressed::Yes : Progressed::No);
    if (how == Interrupted::DeliverResult) {
        if (t.quiet && (goes || is_restart(result))) p.server->note_partial(t.tid);
        if (!is_restart(result)) return {};  // it has its result, which is delivered
        r.orig_rax = static_cast<uint64_t>(-1);
        return set_registers(t.tid.value, r);
    }
    if (goes) {
        TRY(skip_in_slot(p, t, slot, r.rax));
        return divert(call_begin);
    }
    // The kernel itself restarts what can be restarted. A bare -EINTR would reach the program: issue it again, for
    // the time that is left.
    if (result != -EINTR) return {};
    auto progress = p.server->in_progress(t.tid);
    RemoteMemory memory(t.tid.value);
    TRY_ASSIGN(PendingTimeout timeout, settle(r, progress ? progress->began_ns : monotonic_ns(), RestartBlock::Stays, false, memory));
    if (static_cast<int64_t>(r.rax) == -EINTR) return {};
    if (timeout.kind != Timeout::None) {
        r.rsp = p.region().arena_address(kMaxSlots - 1) + kArenaSize - (*slot_index + 1) * 128;
        TRY(write_timeout(r, timeout, monotonic_ns(), memory));
        p.server->note_issued_again(t.tid);
        slot.args[timeout.arg] = timeout.arg == 0   ? r.rdi
                                 : timeout.arg == 1 ? r.rsi
                                 : timeout.arg == 2 ? r.rdx
                                 : timeout.arg == 3 ? r.r10
                                 : timeout.arg == 4 ? r.r8
                                                    : r.r9;
    }
    return divert(call_begin);
}

Status Worker::handle_group_stop(DeputyProcess& p, DeputyThread& t) {
    if (!p.job_stopped) {
        p.job_stopped = true;
        TRY(p.session->send(FrameType::Stop, ProcessHead{p.pid.value}));
    }
    if (t.wants_quiet) {
        TRY(make_quiet_now(p, t));
        return let_run(t);  // it may have a call to give up first
    }
    t.stopped = false;  // as far as ptrace is concerned
    return listen_stopped(t.tid.value);
}

// In a program that is stopped by job control a thread that was made to do something else stops again.
Status Worker::go_on(const DeputyProcess& p, DeputyThread& t) {
    if (p.job_stopped) TRY(interrupt(t.tid.value));
    return let_run(t);
}

// Any stop takes a pending INTERRUPT away: what is still wanted of the thread is asked for again.
Status Worker::let_run(DeputyThread& t, int signal) {
    if (t.wants_quiet || t.cancel != 0 || t.time_is_up != 0) TRY(interrupt(t.tid.value));
    t.stopped = false;
    return resume(t.tid.value, signal);
}

Status Worker::make_quiet_now(const DeputyProcess& p, DeputyThread& t) {
    t.wants_quiet = false;
    t.quiet = true;
    TRY_ASSIGN(t.mask_before_quiet, get_signal_mask(t.tid.value));
    TRY(set_signal_mask(t.tid.value, kInjectionMask));
    return settle_call(p, t, Interrupted::DeliverResult, true);
}

Status Worker::handle_interrupt_stop(DeputyProcess& p, DeputyThread& t) {
    if (p.job_stopped) {
        p.job_stopped = false;
        TRY(p.session->send(FrameType::Continue, ProcessHead{p.pid.value}));
    }
    if (t.wants_quiet) {
        TRY(make_quiet_now(p, t));
    } else if (t.cancel != 0) {
        auto progress = p.server->in_progress(t.tid);
        bool is_it = progress && progress->head.id == t.cancel;
        t.cancel = 0;
        TRY(settle_call(p, t, is_it ? Interrupted::DeliverResult : Interrupted::GoOnAsIfNothing, is_it));
    } else if (t.time_is_up != 0) {
        auto progress = p.server->in_progress(t.tid);
        bool is_it = progress && progress->head.id == t.time_is_up;
        t.time_is_up = 0;
        TRY(settle_call(p, t, is_it ? Interrupted::TimeIsUp : Interrupted::GoOnAsIfNothing, false));
    } else {
        TRY(settle_call(p, t, Interrupted::GoOnAsIfNothing, false));
    }
    return let_run(t);
}

Status Worker::cancel_call(const CallHead& head) {
    DeputyProcess* p = process_of(HomePid(head.pid));
    if (p == nullptr || !p->threads.contains(HomePid(head.tid))) return {};
    auto progress = p->server->in_progress(HomePid(head.tid));
    if (!progress || progress->head.id != head.id) return {};  // done meanwhile: the reply is on its way
    DeputyThread& t = p->threads.at(HomePid(head.tid));
    t.cancel = head.id;
    auto done = interrupt(t.tid.value);
    return !done && done.error().code() == ESRCH ? Status() : std::move(done);
}

Status Worker::handle_ptrace_event(DeputyProcess& p, DeputyThread& t, int event) {
    if (event == PTRACE_EVENT_EXEC) return execed(p, t.tid.value);
    if (event == PTRACE_EVENT_EXIT) {
        t.exiting = true;
        // A leader that exits before its threads is not reported until they have gone too.
        auto progress = p.server->in_progress(t.tid);
        bool alone = progress && progress->head.kind == CallKind::ExitThread;
        if (t.tid == p.pid && alone) TRY(p.session->send(FrameType::ThreadGone, ThreadHead{p.pid.value, t.tid.value}));
        bool by_call = alone || (progress && progress->head.kind == CallKind::ExitGroup);
        if (by_call && !alone) p.ending = true;  // its stores came before its call
        if (!by_call) take_last_stores(p);
    } else {
        TRY_ASSIGN(uint64_t message, event_message(t.tid.value));
        TRY(new_task(p, t, static_cast<pid_t>(message)));
    }
    return let_run(t);
}

// A deputy has made a task. Before its parent goes on (and the reply with it), the new one has its slot.
Status Worker::new_task(DeputyProcess& parent, DeputyThread& by, pid_t tid) {
    TRY_ASSIGN(ProcStatus status, read_status(tid));
    bool is_thread = status.tgid == parent.pid.value;
    HomePid pid(status.tgid);
    DeputyProcess* p = &parent;
    if (!is_thread) {
        auto made = std::make_unique<DeputyProcess>();
        made->pid = pid;
        made->session = parent.session;
        made->running = true;
        made->cpu_account = parent.cpu_account;
        p = made.get();
        processes_[pid] = std::move(made);
        p->server = parent.server;
        p->server->set_channel(pid, parent.session->channel());
        files_.inherit(parent.pid, pid);
        send({{"event", "born"}, {"pid", pid.value}, {"parent", parent.pid.value}, {"where", parent.session->node()}});
        if (auto call = p->server->in_progress(by.tid)) by.fork_call = call->head.id;
        by.forked = pid;
    }
    TRY_ASSIGN(uint32_t slot, p->region().allocate_slot());
    TRY(p->server->add_thread(pid, HomePid(tid), slot));
    p->threads[HomePid(tid)] = DeputyThread{HomePid(tid)};
    expected_.insert(tid);
    spdlog::debug("new deputy task {} of {}, slot {}", tid, pid.value, slot);
    // It is found by its process from now on; its first stop may have been seen already.
    if (early_children_.erase(tid) != 0) return start_child(*p, tid);
    return {};
}

Status Worker::start_child(DeputyProcess& p, pid_t tid) {
    expected_.erase(tid);
    auto slot = p.server->slot_of(HomePid(tid));
    if (!slot) return {};
    TRY_ASSIGN(Registers r, get_registers(tid));
    TRY(set_registers(tid, p.region().loop_registers(r, *slot)));
    return let_run(p.threads.at(HomePid(tid)));
}

// A task that is killed while it is in a fork ends without a result for it; its child is there, and is to be one on the
// node too before the parent's memory goes there.
Status Worker::tell_last_fork(DeputyProcess& p, HomePid tid) {
    auto it = p.threads.find(tid);
    auto call = p.server->in_progress(tid);
    if (it == p.threads.end() || !call || call->head.kind != CallKind::Clone) return {};
    DeputyThread& t = it->second;
    if (t.fork_call != call->head.id) TRY(adopt_unreported_child(p, t));
    if (t.fork_call == call->head.id) p.server->answer(tid, t.forked.value);
    return {};
}

// Killed before it could report its child, which our kernel has attached to us all the same. Its registers are the
// parent's: they tell whose child it is.
Status Worker::adopt_unreported_child(DeputyProcess& p, DeputyThread& by) {
    constexpr int kFirstStopTimeoutMs = 1000;
    auto slot = p.server->slot_of(by.tid);
    TRY_ASSIGN(auto all, list_processes());
    for (pid_t pid : all) {
        auto status = read_status(pid);
        bool is_unknown = status && status->tracer == ::getpid() && process_of_thread(HomePid(pid)) == nullptr && !unfinished_.contains(pid);
        if (!is_unknown || !slot) continue;
        if (!early_children_.contains(pid)) {
            TRY_ASSIGN(int stopped, wait(pid, kFirstStopTimeoutMs));
            if (classify(stopped).kind == Stop::Kind::Exited) continue;
            early_children_.insert(pid);
        }
        TRY_ASSIGN(Registers r, get_registers(pid));
        if (r.rbx == p.region().slot_address(*slot)) return new_task(p, by, pid);
    }
    return {};
}

// The program is another one now, native and at home.
Status Worker::execed(DeputyProcess& p, pid_t tid) {
    HomePid pid = p.pid;
    for (const auto& [other, t] : p.threads) TRY(tell_last_fork(p, other));
    TRY(handle_session_events());  // the CPU time that the node told before
    json cpu = cpu_used_away(p.cpu_before_exec);
    TRY(p.session->send(FrameType::ProcessGone, ProcessHead{pid.value}));
    uint64_t calls = p.server->calls_of(pid);
    uint64_t moves = p.moves;
    forget(pid);
    TRY(set_options(tid, 0));
    TRY(detach(tid));
    send({{"event", "moved"}, {"pid", pid.value}, {"where", "home"}, {"why", "exec"}, {"calls", calls}, {"moves", moves}, {"cpu", std::move(cpu)}});
    return {};
}

Status Worker::handle_end(DeputyProcess& p, HomePid tid) {
    bool is_leader = tid == p.pid;
    TRY(tell_last_fork(p, tid));
    expected_.erase(tid.value);
    p.threads.erase(tid);
    p.server->remove_thread(tid);
    bool is_last = p.threads.size() == 1 && p.threads.begin()->second.untraced;
    if (!is_leader && !is_last) return p.session->send(FrameType::ThreadGone, ThreadHead{p.pid.value, tid.value});
    HomePid pid = p.pid;
    auto told = p.session->send(FrameType::ProcessGone, ProcessHead{pid.value});
    if (!told) spdlog::info("process {} ended; its node could not be told: {}", pid.value, told.error().message());
    forget(pid);
    send({{"event", "ended"}, {"pid", pid.value}});
    return {};
}

}  // namespace pmi
