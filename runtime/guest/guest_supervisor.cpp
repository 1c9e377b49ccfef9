#include "runtime/guest/guest_supervisor.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "runtime/base/log.h"
#include "runtime/guest/page_fetcher.h"
#include "runtime/tracee/ended_leader.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

GuestSupervisor::GuestSupervisor(Parts parts) : parts_(std::move(parts)), assist_(make_assist()) {}

GuestSupervisor::~GuestSupervisor() = default;

Status GuestSupervisor::run() {
    while (!had_guest_ || !processes_.empty()) TRY(wait_for_events());
    keep_files();
    return {};
}

Status GuestSupervisor::wait_for_events() {
    std::array<pollfd, 6> fds{{{parts_.channel->fd(), POLLIN, 0},
                               {parts_.children.get(), POLLIN, 0},
                               {parts_.stream ? parts_.stream->poll_fd() : -1, POLLIN, 0},
                               {listener_ ? listener_->fd() : -1, POLLIN, 0},
                               {parts_.channel->resume_fd(), POLLIN, 0},
                               {fetcher_ ? fetcher_->fd() : -1, POLLIN, 0}}};
    // What came while an injection was waited for has used up its wake-up: look before sleeping.
    TRY(handle_notifications());
    if (std::exchange(children_changed_, false)) TRY(handle_children());
    TRY(start_next_clone());  // whose turn it was may have ended
    if (!early_.empty() || children_changed_) return {};
    // Whoever looks at a file that the program stores in, without hearing from it, sees it soon.
    constexpr int kFlushMs = 50, kHeldSignalsMs = 20;
    int timeout_ms = wait_for_clock_ms();
    if (twins_.has_stores() && (timeout_ms < 0 || timeout_ms > kFlushMs)) timeout_ms = kFlushMs;
    if (signals_.holds_any() && (timeout_ms < 0 || timeout_ms > kHeldSignalsMs)) timeout_ms = kHeldSignalsMs;
    const GuestProcess* leaving = process_in_round();
    bool in_round = leaving != nullptr;
    if (in_round) timeout_ms = leaving->departure->is_sending && parts_.stream && parts_.stream->can_send() ? 0 : 1;
    int ready = wait_for(fds, timeout_ms);
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    TRY(ask_clock_if_due());
    if (ready == 0) TRY(queue_held_signals());
    bool flush_is_due = !in_round || monotonic_ns() - flushed_ns_ > kFlushMs * int64_t{1'000'000};
    if (ready == 0 && flush_is_due) {
        flushed_ns_ = monotonic_ns();
        TRY(flush_files());
    }
    if (in_round) TRY(send_some());
    if (ready == 0) return {};
    if (fds[3].revents != 0) {
        TRY_ASSIGN(auto n, listener_->receive());
        if (n) early_.push_back(*n);
        // POLLHUP: no task uses the filter any more.
        if (!n && (fds[3].revents & POLLHUP) != 0) listener_.reset();
    }
    if (fds[1].revents != 0) {
        signalfd_siginfo drop{};
        (void)!::read(parts_.children.get(), &drop, sizeof drop);
        children_changed_ = true;
    }
    if (fds[5].revents != 0) TRY(take_page_news());
    if (fds[0].revents != 0) TRY(handle_channel());
    if (parts_.stream && fds[2].revents != 0) TRY(handle_stream_messages());
    return fds[4].revents != 0 ? parts_.channel->serve_resumption() : Status();
}

// An answer that takes some ten microseconds is waited for awake, on a CPU that is anybody's who wants it: to fall asleep and to be
// woken would take as long again.
int GuestSupervisor::wait_for(std::span<pollfd> fds, int timeout_ms) {
    constexpr unsigned kLooks = 8;  // for the answer, for one at all else
    for (unsigned looks = 1; timeout_ms != 0 && answer_is_due_ns_ != 0 && monotonic_ns() < answer_is_due_ns_; looks++) {
        if (parts_.channel->read_ahead()) {
            fds[0].revents = POLLIN;
            return 1;
        }
        int ready = looks % kLooks == 0 ? ::poll(fds.data(), fds.size(), 0) : 0;
        if (ready != 0) return ready;
        ::sched_yield();
    }
    answer_is_due_ns_ = 0;
    return ::poll(fds.data(), fds.size(), timeout_ms);
}

Status GuestSupervisor::handle_channel() {
    // What the socket still has is there at the next poll: asked for now, it would mostly be nothing.
    do {
        auto frame = parts_.channel->try_receive();
        if (!frame) return std::move(frame.error()).within("home");
        if (!*frame) return {};
        TRY(handle_frame(**frame));
        if (had_guest_ && processes_.empty()) return {};
    } while (parts_.channel->has_read_ahead());
    return {};
}

Status GuestSupervisor::handle_stream_messages() {
    while (parts_.stream) {
        auto message = parts_.stream->try_receive();
        if (!message) {
            // A guest that is not the program yet is of no use any more. Else home will ask for another stream, or has
            // ended, which the call channel tells.
            if (arrival_ || !had_guest_) return std::move(message.error()).within("home");
            spdlog::info("the stream is lost: {}", message.error().message());
            break_rounds();
            parts_.stream.reset();
            return {};
        }
        if (!*message) return {};
        TRY(handle_stream(**message));
    }
    return {};
}

Status GuestSupervisor::renew_stream() {
    break_rounds();
    parts_.stream.reset();
    uint16_t port = 0;
    auto made = parts_.make_stream(&port);
    if (made) parts_.stream = std::move(*made);
    if (!made) spdlog::error("make another stream: {}", made.error().message());
    return parts_.channel->send(static_cast<uint8_t>(FrameType::StreamAt), head_bytes(PortHead{port}));
}

Status GuestSupervisor::handle_frame(const Frame& frame) {
    std::span<const std::byte> body(frame.body);
    auto type = static_cast<FrameType>(frame.type);
    if (type == FrameType::Reply) return handle_reply(body);
    if (type == FrameType::Signal) {
        TRY_ASSIGN(auto head, take_head<SignalHead>(body));
        return handle_signal_frame(head);
    }
    if (type == FrameType::AskMask) {
        TRY_ASSIGN(auto head, take_head<MaskHead>(body));
        auto done = handle_mask_question(head);
        return !done && done.error().code() == ESRCH ? Status() : std::move(done);
    }
    if (type == FrameType::Clock) {
        TRY_ASSIGN(auto head, take_head<ClockHead>(body));
        return handle_clock_frame(head);
    }
    if (type == FrameType::NewStream) return renew_stream();
    if (type == FrameType::Go) {
        TRY_ASSIGN(auto head, take_head<ProcessHead>(body));
        return go(head);
    }
    if (type == FrameType::ThreadGone) {
        TRY_ASSIGN(auto head, take_head<ThreadHead>(body));
        GuestThread* t = thread_of(HomePid(head.pid), HomePid(head.tid));
        bool waits = t != nullptr && t->notification && t->notification->nr == SYS_exit;
        if (waits && t->outer == t->process->outer && t->process->threads.size() > 1) {
            // /proc and process_vm_readv of an exited leader show nothing any more.
            t->ended = true;
            t->process->memory = std::make_unique<RemoteMemory>(t->process->alive());
        }
        return waits ? let_run(*t) : Status();
    }
    TRY_ASSIGN(auto head, take_head<ProcessHead>(body));
    GuestProcess* p = process_of(HomePid(head.pid));
    if (p == nullptr) return {};  // it ended meanwhile
    switch (type) {
        case FrameType::ProcessGone:
            // Home has its child: it is to have one here, from this memory.
            if (cloning_ && cloning_->parent->process == p && cloning_->is_fork && cloning_->child) {
                p->ends_after_clone = true;
                return {};
            }
            kill_process(*p);
            return {};
        case FrameType::Drop:
            keep_pages(*p);
            kill_process(*p);
            return {};
        case FrameType::Freeze: return begin_freeze(*p);
        case FrameType::Drained: p->drained = true; return finish_freeze_if_ready(*p);
        case FrameType::Flush: return answer_flush(p->pid);
        case FrameType::TellTallies: return tell_tallies(*p);
        case FrameType::Thaw: return thaw(*p);
        case FrameType::Freed:
            if (p->follower) p->follower->nothing_is_held();
            return {};
        case FrameType::Stop: p->job_stopped = true; return stop_threads(*p);
        case FrameType::Continue:
            p->job_stopped = false;
            for (auto& [tid, t] : p->threads)
                if (t->stopped && !p->held()) TRY(go_on(*t));
            return {};
        default: return fail("a frame of unknown type {} from home", frame.type);
    }
}

Status GuestSupervisor::handle_children() {
    for (;;) {
        int status = 0;
        pid_t outer = ::waitpid(-1, &status, __WALL | WNOHANG | __WNOTHREAD);
        if (outer == 0 || (outer < 0 && errno == ECHILD)) return {};
        if (outer < 0 && errno == EINTR) continue;
        if (outer < 0) return fail_errno("wait for guests");
        TRY(handle_stop(outer, classify(status)));
    }
}

Status GuestSupervisor::handle_stop(pid_t outer, const Stop& stop) {
    if (stop.kind == Stop::Kind::Exited) return task_ended(outer, stop.status);
    GuestThread* t = thread_of(outer);
    if (t == nullptr) {
        unclaimed_stops_.insert(outer);  // a child whose parent's event is still to come
        return {};
    }
    t->stopped = true;
    Status result = keep_given(*t);
    if (result && t->asked_signal != 0) result = answer_mask_question(*t);
    if (result && t->wall_wait) {
        auto is_done = wall_wait_stop(*t, stop);
        if (is_done && *is_done) return {};
        if (!is_done) result = std::move(is_done.error());
    }
    if (result) switch (stop.kind) {
            case Stop::Kind::Signal: result = handle_signal_stop(*t, stop.signal); break;
            case Stop::Kind::Event: result = clone_event(*t, stop); break;
            case Stop::Kind::Group:
                // Only home stops programs; a guest's own kernel has no reason to.
                result = go_on(*t);
                break;
            default: result = handle_event_stop(*t, stop);
        }
    // A task that died under our hands is reported by the next wait.
    if (!result && result.error().code() == ESRCH) return {};
    return result;
}

Status GuestSupervisor::handle_event_stop(GuestThread& t, const Stop&) {
    if (t.at_stop) {
        auto then = std::exchange(t.at_stop, nullptr);
        return then();
    }
    return go_on(t);
}

Status GuestSupervisor::go_on(GuestThread& t, int signal) {
    // With a mask lent to it (suspend_result) it is not whole: it goes on until its handler has been entered.
    if (t.process->held() && !t.notification && !t.mask_to_restore) {
        // Held in a signal-delivery-stop the signal would be lost: it is delivered first, and our INTERRUPT stops
        // the thread right behind.
        if (signal == 0) {
            t.stopped = !trap_is_due(t.outer);
            if (!t.stopped) return resume(t.outer);
            TRY(patch_if_still(*t.process));
            return finish_freeze_if_ready(*t.process);
        }
        TRY(stop_soon(t));
    }
    if (std::exchange(t.cut_short, false) && signal == 0) TRY(mend_cut_short(t));
    t.stopped = false;
    return resume(t.outer, signal);
}

Status GuestSupervisor::go_on_with(GuestThread& t, int64_t result) {
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    r.rax = static_cast<uint64_t>(result);
    r.orig_rax = static_cast<uint64_t>(-1);
    TRY(set_registers(t.outer, r));
    return go_on(t);
}

Status GuestSupervisor::stop_then(GuestThread& t, std::function<Status()> then) {
    t.at_stop = std::move(then);
    return stop_soon(t);
}

Status GuestSupervisor::inject(GuestThread& t, const std::function<Status(const CallThere& call)>& work) {
    Injector injector(t.outer, *this);
    uint64_t instruction = agent_address(agent_of(*t.process).base, pmi_agent_syscall);
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.outer));
    TRY(set_signal_mask(t.outer, kInjectionMask));
    t.injecting = true;
    auto done = work([&](int64_t nr, const std::array<uint64_t, 6>& args) { return injector.call_at(instruction, nr, args); });
    t.injecting = false;
    TRY(std::move(done));
    return set_signal_mask(t.outer, mask);
}

Status GuestSupervisor::stop_soon(GuestThread& t) {
    t.interrupted = true;
    auto done = interrupt(t.outer);
    if (!done && done.error().code() == ESRCH) return {};
    return done;
}

Status GuestSupervisor::task_ended(pid_t outer, int status) {
    unclaimed_stops_.erase(outer);
    GuestThread* t = thread_of(outer);
    if (t == nullptr) return {};
    GuestProcess& p = *t->process;
    HomePid tid = t->tid;
    bool is_leader = outer == p.outer;
    spdlog::debug("guest thread {} ({}) ended, status {:#x}", tid.value, outer, status);
    by_outer_.erase(outer);
    if (cloning_ && cloning_->parent == t) cloning_.reset();
    p.threads.erase(tid);
    if (!is_leader) {
        TRY(patch_if_still(p));
        return p.held() ? finish_freeze_if_ready(p) : Status();
    }
    // The leader is reported last: the process is gone. If home has not asked for it, something here killed it.
    auto why = p.frozen || p.going ? std::nullopt : why_killed(p, status);
    if (why) TRY(send_text(FrameType::GuestDied, p.pid, *why));
    forget_process(p.pid);
    return {};
}

// Nothing: home knows.
std::optional<std::string> GuestSupervisor::why_killed(const GuestProcess& p, int status) const {
    auto lost = fetcher_ && p.pid == fetched_for_ ? fetcher_->failure() : std::nullopt;
    if (lost && lost->empty()) return std::nullopt;
    if (lost) return fmt::format("the rest of its memory did not get to node {} ({}); it was killed", parts_.node_name, *lost);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && killed_for_memory(parts_.cgroups) > 0)
        return fmt::format("it needed more memory than a program may use on node {} ({} MiB), and was killed", parts_.node_name,
                           parts_.memory_max >> 20);
    return fmt::format("the guest was killed on node {} (wait status {:#x})", parts_.node_name, status);
}

void GuestSupervisor::kill_process(GuestProcess& p) {
    p.going = true;  // what ends now was meant to
    HomePid pid = p.pid;
    if (::kill(p.outer, SIGKILL) != 0 && errno != ESRCH) spdlog::error("kill guest {}: {}", pid.value, errno);
    // Reaped here, so that its number is free in the jail and the session's end is seen at once. Threads first: the
    // leader is reported when it is the last. One that was just being made is nobody's yet.
    std::set<pid_t> outers;
    for (auto& [tid, t] : p.threads) outers.insert(t->outer);
    for (pid_t outer : list_threads(p.outer).value_or({})) outers.insert(outer);
    outers.erase(p.outer);
    std::vector<pid_t> in_order(outers.begin(), outers.end());
    in_order.push_back(p.outer);
    for (pid_t outer : in_order) {
        int status = 0;
        for (;;) {
            pid_t got = ::waitpid(outer, &status, __WALL);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) break;
        }
        by_outer_.erase(outer);
        unclaimed_stops_.erase(outer);
    }
    if (cloning_ && cloning_->parent->process == &p) cloning_.reset();
    forget_process(pid);
}

void GuestSupervisor::forget_process(HomePid pid) {
    auto it = processes_.find(pid);
    if (it == processes_.end()) return;
    if (GuestProcess* parent = process_of(it->second->vfork_parent)) parent->vfork_children--;
    for (auto& [tid, t] : it->second->threads) by_outer_.erase(t->outer);
    twins_.release(pid);
    processes_.erase(it);
    if (pid == fetched_for_) fetcher_.reset();
}

GuestThread* GuestSupervisor::thread_of(pid_t outer) {
    auto it = by_outer_.find(outer);
    return it == by_outer_.end() ? nullptr : it->second;
}
GuestProcess* GuestSupervisor::process_of(HomePid pid) {
    auto it = processes_.find(pid);
    return it == processes_.end() ? nullptr : it->second.get();
}
GuestThread* GuestSupervisor::thread_of(HomePid pid, HomePid tid) {
    GuestProcess* p = process_of(pid);
    if (p == nullptr) return nullptr;
    auto it = p->threads.find(tid);
    return it == p->threads.end() ? nullptr : it->second.get();
}

GuestThread& GuestSupervisor::add_thread(GuestProcess& p, HomePid tid, pid_t outer) {
    auto made = std::make_unique<GuestThread>();
    made->tid = tid;
    made->outer = outer;
    made->process = &p;
    by_outer_[outer] = made.get();
    return *(p.threads[tid] = std::move(made));
}

AgentPlace GuestSupervisor::agent_of(const GuestProcess& p) const {
    return {p.image.agent_base(), p.image.agent_base() + kAgentData};
}

Status GuestSupervisor::send_text(FrameType type, HomePid pid, const std::string& text) {
    return parts_.channel->send(static_cast<uint8_t>(type), head_bytes(ProcessHead{pid.value}), std::as_bytes(std::span(text)));
}

// Waits for one thread's stop during an injection, and serves what only this thread's progress depends on.
Expected<int> GuestSupervisor::wait(pid_t tid, int timeout_ms) {
    // Others' wake-ups are used up here; and of a leader whose last thread is reaped here no signal may tell (release_task).
    children_changed_ = true;
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    for (EndedLeader ended;;) {
        int status = 0;
        pid_t got = ::waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid) return status;
        if (got < 0 && errno != EINTR) return fail_errno("wait for guest thread {}", tid);
        TRY(ended.check(tid));
        int64_t left_ns = deadline - monotonic_ns();
        if (left_ns <= 0) return fail_code(ETIMEDOUT, "guest thread {} does not stop", tid);
        int left = static_cast<int>(std::min<int64_t>(left_ns / 1'000'000 + 1, EndedLeader::kLookEveryMs));
        std::array<pollfd, 2> fds{{{parts_.children.get(), POLLIN, 0}, {listener_ ? listener_->fd() : -1, POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), left) < 0 && errno != EINTR) return fail_errno("poll");
        if (fds[0].revents != 0) {
            signalfd_siginfo drop{};
            (void)!::read(parts_.children.get(), &drop, sizeof drop);
        }
        if (fds[1].revents != 0 && listener_) {
            TRY_ASSIGN(auto n, listener_->receive());
            // Others may be running injected code at the same time.
            const GuestThread* by = n ? thread_of(n->tid) : nullptr;
            bool is_injected = n && (n->tid == tid || (by != nullptr && by->injecting));
            if (is_injected)
                TRY(listener_->let_run(n->id));
            else if (n)
                early_.push_back(*n);
        }
    }
}

}  // namespace pmi
