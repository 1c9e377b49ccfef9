// What a deputy's stop means, and what is asked of a thread that runs.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"

namespace pmi {

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
        // Killed before it could be anything, with whoever made it or alone.
        if (stop.kind == Stop::Kind::Event && stop.event == PTRACE_EVENT_EXIT) {
            early_children_.erase(tid);
            return detach(tid);
        }
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
        case Stop::Kind::Signal: return handle_signal(*p, t, stop.signal);
        case Stop::Kind::Group: return handle_group_stop(*p, t);
        case Stop::Kind::Event: return handle_ptrace_event(*p, t, stop.event);
        default: return handle_interrupt_stop(*p, t);
    }
}

Status Worker::handle_unfinished(pid_t tid, const Stop& stop) {
    HomePid pid = unfinished_.process_of(tid);
    auto handled = unfinished_.handle_stop(tid, stop);
    if (!unfinished_.has(pid)) send({{"event", "finished"}, {"pid", pid.value}});
    return handled;
}

Status Worker::handle_group_stop(DeputyProcess& p, DeputyThread& t) {
    if (!p.job_stopped) {
        p.job_stopped = true;
        tell(p, FrameType::Stop, ProcessHead{p.pid.value});
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
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.tid.value));
    t.mask_before_quiet = std::exchange(t.mask_when_asked, std::nullopt).value_or(mask);
    TRY(set_signal_mask(t.tid.value, kEverySignal));
    return settle_call(p, t, Interrupted::DeliverResult, true);
}

Status Worker::handle_interrupt_stop(DeputyProcess& p, DeputyThread& t) {
    if (p.job_stopped) {
        p.job_stopped = false;
        tell(p, FrameType::Continue, ProcessHead{p.pid.value});
    }
    // It was to become quiet, which has been given up since.
    auto mask = t.wants_quiet ? std::nullopt : std::exchange(t.mask_when_asked, std::nullopt);
    if (mask) TRY(set_signal_mask(t.tid.value, *mask));
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
        if (t.tid == p.pid && alone) tell(p, FrameType::ThreadGone, ThreadHead{p.pid.value, t.tid.value});
        bool by_call = alone || (progress && progress->head.kind == CallKind::ExitGroup);
        if (by_call && !alone) p.ending = true;  // its stores came before its call
        if (!by_call) take_last_stores(p);
        return let_end(p, t.tid);
    }
    TRY_ASSIGN(uint64_t message, event_message(t.tid.value));
    auto made = new_task(p, t, static_cast<pid_t>(message));
    // Its end has been seen before it was anybody's. Whoever made it goes on.
    if (!made && made.error().code() != ESRCH && made.error().code() != ENOENT) return made;
    return let_run(t);
}

}  // namespace pmi
