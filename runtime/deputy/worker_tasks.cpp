// Tasks that deputies make, exec and end.
#include <sys/ptrace.h>

#include <algorithm>
#include <memory>

#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/procfs.h"

namespace pmi {

using nlohmann::json;

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
        bool is_unknown =
            status && status->tracer == ::getpid() && process_of_thread(HomePid(pid)) == nullptr && !unfinished_.contains(pid);
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
    p.server->wait_until_sent();
    tell(p, FrameType::ProcessGone, ProcessHead{pid.value});
    uint64_t calls = p.server->calls_of(pid);
    uint64_t moves = p.moves;
    forget(pid);
    files_.note_holder(pid);
    TRY(set_options(tid, 0));
    TRY(detach(tid));
    send({{"event", "moved"},
          {"pid", pid.value},
          {"where", "home"},
          {"why", "exec"},
          {"calls", calls},
          {"moves", moves},
          {"cpu", std::move(cpu)}});
    return {};
}

// About to end, in its last stop. A traced task's end is told to its parent, and to who polls a pidfd, before the parent can wait
// for it: not until the tracer has (ptrace(2)). One that is let go ends as any other.
Status Worker::let_end(DeputyProcess& p, HomePid tid) {
    auto let_go = detach(tid.value);
    if (let_go) return handle_end(p, tid);
    // Killed once more meanwhile: of its end a wait tells.
    return let_go.error().code() == ESRCH ? Status() : std::move(let_go);
}

Status Worker::handle_end(DeputyProcess& p, HomePid tid) {
    TRY(tell_last_fork(p, tid));
    expected_.erase(tid.value);
    p.server->remove_thread(tid);
    bool has_others = std::any_of(p.threads.begin(), p.threads.end(),
                                  [&](const auto& other) { return other.first != tid && !other.second.untraced; });
    if (tid == p.pid && has_others) {
        DeputyThread& leader = p.threads.at(tid);
        leader.exiting = leader.untraced = true;
        return {};
    }
    p.threads.erase(tid);
    p.server->wait_until_sent();  // what it forked is to be one on the node before its memory goes
    if (has_others) {
        tell(p, FrameType::ThreadGone, ThreadHead{p.pid.value, tid.value});
        return {};
    }
    HomePid pid = p.pid;
    auto told = p.session->send(FrameType::ProcessGone, ProcessHead{pid.value});
    if (!told) spdlog::info("process {} ended; its node could not be told: {}", pid.value, told.error().message());
    forget(pid);
    send({{"event", "ended"}, {"pid", pid.value}});
    return {};
}

}  // namespace pmi
