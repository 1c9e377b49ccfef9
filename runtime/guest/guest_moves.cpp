// A program's arrival and departure at this node. The order, and who runs the program if it breaks off there:
//   arrival    guest_arrival.cpp; then everything is built and stopped -> Ready        (home's copy)
//              Go -> Running                                                            (this copy)
//   departure  Freeze -> FreezeAck -> threads stop, last replies -> Drained -> image    (this copy, after Thaw)
//              Need -> memory, End -> Drop                                              (the other copy)
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/log.h"
#include "runtime/base/phases.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/cpu_account.h"
#include "runtime/tracee/interrupted.h"
#include "runtime/tracee/rseq.h"
#include "runtime/tracee/sleep_clock.h"
#include "runtime/tracee/trap_disposition.h"

namespace pmi {
namespace {

// The traps of what was built have reset that (trap_disposition.h).
Status ignore_trap_again(const wire::Image& image, pid_t outer, StopWaiter& waiter) {
    constexpr size_t kActionSize = 32;  // struct kernel_sigaction, which begins with the handler
    uint64_t handler = 0;
    std::memcpy(&handler, image.sigactions().data() + (SIGTRAP - 1) * kActionSize, sizeof handler);
    if (handler != reinterpret_cast<uint64_t>(SIG_IGN)) return {};
    uint64_t instruction = agent_address(image.agent_base(), pmi_agent_syscall);
    return ignore_trap(outer, instruction, image.agent_base() + kAgentData, RemoteMemory(outer), waiter);
}

}  // namespace

Status GuestSupervisor::arrived() {
    Phases phases;
    TRY(twins_.remember());
    if (arrival_->follower) TRY(arrival_->follower->settle(arrival_->image));
    TRY(expect_later());
    phases.mark("settle");
    TRY_ASSIGN(Fd listener, arrival_->builder->finish());
    phases.mark("build");
    TRY_ASSIGN(Listener adopted, Listener::adopt(std::move(listener)));
    listener_ = std::move(adopted);
    vdso_ = arrival_->builder->vdso();
    // The guest's fd table must be empty; this first call of the guest's is already notified.
    TRY(Injector(arrival_->builder->outer(), *this)
            .call_at(agent_address(arrival_->image.agent_base(), pmi_agent_syscall), 3 /* close */,
                     {static_cast<uint64_t>(arrival_->builder->guest_listener()), 0, 0, 0, 0, 0}));
    TRY(ignore_trap_again(arrival_->image, arrival_->builder->outer(), *this));
    auto process = std::make_unique<GuestProcess>();
    process->pid = HomePid(arrival_->image.pid());
    process->outer = arrival_->builder->outer();
    const auto& leader = arrival_->image.threads(0);
    if (leader.ended()) TRY(end_leader(process->outer, arrival_->image.agent_base()));
    process->image = arrival_->image;
    for (const auto& r : process->image.regions())
        if (r.kind() == wire::Region::FILE && r.shared() && has_vm_flag(r.vm_flags(), "mw")) process->stores_in_files = true;
    for (auto& t : *process->image.mutable_threads()) {
        GuestThread& made = add_thread(*process, HomePid(t.tid()), arrival_->builder->threads().at(HomePid(t.tid())));
        made.stopped = !t.ended();
        made.ended = t.ended();
        if (t.ended()) continue;
        if (!process->memory) process->memory = std::make_unique<RemoteMemory>(made.outer);
        // A node with fewer CPUs does what it can.
        if (!t.affinity().empty())
            (void)::sched_setaffinity(made.outer, t.affinity().size(), reinterpret_cast<const cpu_set_t*>(t.affinity().data()));
        made.home_mask = t.signal_mask();
        made.transferred = t.transferred();
        made.cpu_ns_before = static_cast<int64_t>(t.cpu_ns());
        made.cpu_home_ns = static_cast<int64_t>(t.cpu_home_ns());
        // A sleep that was going on is the deputy's to finish.
        Registers r{};
        std::memcpy(&r, t.registers().data(), std::min(sizeof r, t.registers().size()));
        note_reissued(made, r);
        hide_interruption(made, r);
        t.set_registers(&r, sizeof r);
        // Stopped between two moves, right before it issued the restart.
        bool about_to_restart = r.rax == SYS_restart_syscall && process->memory->get<uint16_t>(r.rip).value_or(0) == 0x050f;
        made.restart_is_home = static_cast<int64_t>(r.rax) == kErestartBlock || about_to_restart;
    }
    // All that it used is counted here.
    if (process->image.cpu_account() != 0) TRY(clear_cpu_account(*process->memory, process->image.cpu_account()));
    TRY(limit_cpu(*process));
    process->follower = std::move(arrival_->follower);
    process->arriving = true;
    ReadyNote note{process->follower != nullptr, 0};
    processes_[process->pid] = std::move(process);
    had_guest_ = true;
    phases.mark("rest");
    spdlog::info("process {} is here, ready: {}", arrival_->image.pid(), phases.text());
    return parts_.stream->send(
        make_stream_message(StreamKind::Ready, arrival_->image.pid(), {}, std::as_bytes(std::span(&note, 1))));
}

// The leader, which has built all the others, ends before they begin: as it had at home.
Status GuestSupervisor::end_leader(pid_t outer, uint64_t agent_base) {
    constexpr int kTimeoutMs = 5000, kLookAgainMs = 3;
    TRY_ASSIGN(Registers r, get_registers(outer));
    r.rip = agent_address(agent_base, pmi_agent_syscall);
    r.rax = SYS_exit;
    r.orig_rax = static_cast<uint64_t>(-1);
    r.rdi = 0;
    TRY(set_registers(outer, r));
    TRY(resume(outer));
    int64_t deadline = monotonic_ns() + int64_t{kTimeoutMs} * 1'000'000;
    for (;;) {
        auto stat = read_stat(outer);
        if (stat && stat->state == 'Z') return {};
        if (monotonic_ns() > deadline) return fail_code(ETIMEDOUT, "the guest's main thread does not end");
        // No stop comes of it, but its call is let run by this.
        auto stopped = wait(outer, kLookAgainMs);
        if (stopped || stopped.error().code() != ETIMEDOUT) return fail("the guest's main thread does not end as it should");
    }
}

Status GuestSupervisor::go(const ProcessHead& head) {
    GuestProcess* p = process_of(HomePid(head.pid));
    if (p == nullptr || !arrival_) return fail("a Go for a program that is not here");
    int64_t now = monotonic_ns() + parts_.clock_offset_ns;
    for (const auto& t : p->image.threads()) {
        auto found = p->threads.find(HomePid(t.tid()));
        if (found == p->threads.end()) return fail("thread {} has ended before it could run here", t.tid());
        GuestThread& thread = *found->second;
        if (thread.ended) continue;
        TRY(assist_->release_thread(thread.outer, t, *p->memory, now, GoesOn::Away));
    }
    p->arriving = false;
    for (auto& [tid, t] : p->threads)
        if (!t->ended) TRY(go_on(*t));
    arrival_.reset();
    parts_.clock.ask_from(now + GuestClock::kAskAgainNs);
    return parts_.channel->send(static_cast<uint8_t>(FrameType::Running), head_bytes(ProcessHead{head.pid}));
}

Status GuestSupervisor::begin_freeze(GuestProcess& p) {
    if (lacks_pages(p)) return send_text(FrameType::FreezeFailed, p.pid, "its memory is not all there yet");
    p.freeze_is_wanted = p.vfork_children > 0 || (cloning_ && cloning_->parent->process == &p);
    if (p.freeze_is_wanted) return send_text(FrameType::FreezeFailed, p.pid, "a new process of it is being started; try again");
    p.freezing = true;
    p.drained = false;
    p.patches.waiting.clear();
    TRY(stop_threads(p));
    TRY(parts_.channel->send(static_cast<uint8_t>(FrameType::FreezeAck), head_bytes(ProcessHead{p.pid.value})));
    return finish_freeze_if_ready(p);
}

Status GuestSupervisor::stop_threads(GuestProcess& p) {
    for (auto& [tid, t] : p.threads) {
        if (t->stopped || t->ended) continue;
        if (t->notification) {
            // Waiting for home: its reply ends the wait. Waiting for the program's return, or its turn: cancelled.
            if (!t->call) TRY(t->held_result ? finish(*t, *std::exchange(t->held_result, std::nullopt)) : run_again(*t));
            continue;
        }
        t->began_ns = asleep_since(p.outer, t->outer).value_or(monotonic_ns());
        TRY(stop_soon(*t));
    }
    return {};
}

Status GuestSupervisor::finish_freeze_if_ready(GuestProcess& p) {
    if (!p.freezing || !p.drained || p.frozen) return {};
    for (auto& [tid, t] : p.threads)
        if (!t->ended && (!t->stopped || t->notification || t->mask_to_restore)) return {};
    p.frozen = true;
    return send_image(p);
}

// What has become of its threads until it failed is undone: the program goes on here.
Expected<wire::Image> GuestSupervisor::capture_image(GuestProcess& p) {
    std::vector<std::pair<GuestThread*, uint64_t>> masks;
    auto image = capture_image(p, masks);
    if (!image)
        for (auto [t, mask] : masks) (void)set_signal_mask(t->outer, mask);
    return image;
}

Expected<wire::Image> GuestSupervisor::capture_image(GuestProcess& p, std::vector<std::pair<GuestThread*, uint64_t>>& masks) {
    Frozen frozen{p.alive(), {}};
    std::vector<GuestThread*> order;
    for (auto& [tid, t] : p.threads) order.push_back(t.get());
    std::stable_partition(order.begin(), order.end(), [&](GuestThread* t) { return t->outer == p.outer; });
    for (GuestThread* t : order) {
        FrozenThread f;
        f.tid = t->outer;
        f.ended = t->ended;
        if (t->ended) {
            frozen.threads.push_back(f);
            continue;
        }
        t->injecting = true;
        TRY_ASSIGN(f.signal_mask, get_signal_mask(t->outer));
        masks.emplace_back(t, f.signal_mask);
        TRY(leave_rseq_section(t->outer));
        TRY(set_signal_mask(t->outer, kStepMask));
        TRY(leave_stub(*t));
        TRY(leave_vdso(t->outer, vdso_, *p.memory, *this));
        TRY(set_signal_mask(t->outer, kInjectionMask));
        TRY_ASSIGN(f.registers, get_registers(t->outer));
        name_interruption(*t, f.registers);
        name_restarted(*t, f.registers);
        f.began_ns = t->began_ns;
        // A thread that has not run since it came has its block where it was before: in the deputy.
        RestartBlock block = t->began_ns == 0 ? RestartBlock::Stays : RestartBlock::Lost;
        TRY_ASSIGN(f.timeout, settle(f.registers, t->began_ns, block, t->signalled, *p.memory));
        f.timeout.deadline_ns += parts_.clock_offset_ns;
        note_reissued(*t, f.registers);
        frozen.threads.push_back(f);
    }
    TRY(unpatch(p));
    wire::Image image;
    *image.mutable_limits() = p.image.limits();  // home's: the node's own are for the node
    TRY(assist_->capture(frozen, agent_of(p), *this, image));
    TRY(assist_->capture_signals(frozen, image));
    for (size_t i = 0; i < order.size(); i++) {
        wire::Thread& t = *image.mutable_threads(static_cast<int>(i));
        t.set_tid(order[i]->tid.value);
        t.set_transferred(order[i]->transferred);
        for (auto& pending : *t.mutable_pending()) pending = true_info(pending);
        for (const auto& info : order[i]->carried) t.add_pending(&info, sizeof info);
        for (const auto& info : signals_.held_for(order[i]->tid)) t.add_pending(&info, sizeof info);
    }
    for (auto& pending : *image.mutable_pending()) pending = true_info(pending);
    image.set_pid(p.pid.value);
    note_cpu_time(p, image);
    AddressRange agent{p.image.agent_base(), p.image.agent_base() + kAgentSize};
    TRY(describe_regions(p.alive(), agent, image, p.layout.regions_size() > 0 ? &p.layout : nullptr));
    set_kernel_code(image, p.image);
    TRY(describe_guard_pages(p.alive(), p.follower ? p.follower->tracking().get() : nullptr, image));
    image.set_carries_guards(p.image.carries_guards());
    TRY(twins_.translate(image));
    for (GuestThread* t : order) t->carried.clear(), t->cut_short = false;
    return image;
}

// Of a departure. If the stream is lost, home gives the move up, and thaws the program when it is back.
Status GuestSupervisor::send_on_stream(std::span<const std::byte> bytes) {
    auto sent = parts_.stream ? parts_.stream->send(bytes) : fail_code(ECONNRESET, "stream");
    if (!sent) spdlog::warn("a move breaks off: {}", sent.error().message());
    return {};
}

Status GuestSupervisor::send_image(GuestProcess& p) {
    TRY(tell_tallies(p));  // before what home waits for
    TRY(answer_flush(p.pid));
    auto image = capture_image(p);
    if (!image) {
        std::string text = fmt::format("node {}: {}", parts_.node_name, image.error().message());
        spdlog::error("{}", text);
        return send_on_stream(make_stream_message(StreamKind::Failed, p.pid.value, {}, std::as_bytes(std::span(text))));
    }
    departing_ = std::move(*image);
    std::string bytes = departing_->SerializeAsString();
    return send_on_stream(make_stream_message(StreamKind::Image, p.pid.value, {}, std::as_bytes(std::span(bytes))));
}

// The other side has the image and says what it needs beyond the program's own pages. A Need with a run of size 0
// wants the contents of mapped files too: it is for another node.
Status GuestSupervisor::send_memory(const StreamView& need) {
    GuestProcess* p = process_of(HomePid(need.head.pid));
    if (p == nullptr || !p->frozen || !departing_) return fail("home needs memory of a process that is not frozen");
    SendOrder order;
    order.pid = p->alive();
    order.image = &*departing_;
    bool after_rounds = false;
    for (size_t i = 0; i < need.head.runs; i++) {
        MemoryRun run = need.run(i);
        if (run.size == 0) {
            order.file_contents = true;
            after_rounds = run.where == kWhatRoundsLeft;
        } else {
            order.whole.push_back({run.where, run.where + run.size});
        }
    }
    order.file_page = twins_.reader_of(*departing_);
    order.unchanged = [this](uint32_t file, uint64_t offset, std::span<const std::byte> page) {
        const auto& f = departing_->files(static_cast<int>(file));
        return twins_.unchanged(f.device(), f.inode(), offset, page);
    };
    if (!parts_.stream) return {};
    if (after_rounds && (!p->departure || !p->departure->to_node)) return fail("home needs the rest of rounds that were not made");
    auto everything = make_stop_copy();
    Mover* mover = order.file_contents ? (after_rounds ? p->departure->to_node.get() : nullptr) : p->follower.get();
    auto totals = (mover != nullptr ? *mover : *everything).send(order, *parts_.stream);
    if (!totals) {
        std::string text = fmt::format("node {}: {}", parts_.node_name, totals.error().message());
        return send_on_stream(make_stream_message(StreamKind::Failed, p->pid.value, {}, std::as_bytes(std::span(text))));
    }
    return send_on_stream(make_stream_message(StreamKind::End, p->pid.value, {}, std::as_bytes(std::span(&*totals, 1))));
}

// The move that cut its call short came to nothing.
Status GuestSupervisor::mend_cut_short(GuestThread& t) {
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    if (static_cast<int64_t>(r.rax) != -EINTR) return {};
    TRY_ASSIGN(PendingTimeout timeout, settle(r, t.began_ns, RestartBlock::Lost, false, *t.process->memory));
    TRY(write_timeout(r, timeout, monotonic_ns(), *t.process->memory, 0));
    note_reissued(t, r);
    return set_registers(t.outer, r);
}

Status GuestSupervisor::thaw(GuestProcess& p) {
    p.freeze_is_wanted = false;
    p.departure.reset();
    if (!p.freezing && !p.frozen) return start_next_clone();
    p.freezing = p.drained = false;
    bool was_captured = std::exchange(p.frozen, false);
    int64_t now = monotonic_ns() + parts_.clock_offset_ns;
    for (auto& [tid, t] : p.threads) {
        t->wants_home = false;
        t->injecting = false;
        t->mask_is_late |= masks_late_told_;  // an answer may have come too late
        if (!t->stopped) continue;
        if (was_captured && departing_) {
            for (const auto& state : departing_->threads())
                if (state.tid() == tid.value) TRY(assist_->release_thread(t->outer, state, *p.memory, now, GoesOn::Away));
        }
        TRY(go_on(*t));
    }
    departing_.reset();
    return {};
}

}  // namespace pmi
