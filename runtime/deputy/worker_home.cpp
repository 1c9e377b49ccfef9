// Coming home. The guest stays the program, frozen, until everything is in place here; if something fails before
// that, it is thawed and goes on there:
//   Freeze, FreezeAck   no more calls will come
//   quiet               every deputy thread has finished or given up its call, and takes no more signals
//   Drained, image      the guest's threads have stopped
//   skeleton, memory    the address space is made what it has become, and filled
//   settle in           threads get their state; the agent goes; detach; Drop
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "kernel-assist/userspace/region_changes.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "remote/wire/xstate.h"
#include "runtime/base/log.h"
#include "runtime/base/phases.h"
#include "runtime/deputy/room_for_agent.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/image_check.h"
#include "runtime/memory/region_plan.h"
#include "runtime/memory/seams.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

using nlohmann::json;

namespace {

constexpr int kFreezeTimeoutMs = 5000;
constexpr int kImageTimeoutMs = 30000;

void add_pending(wire::Image& image, HomePid tid, const siginfo_t& info) {
    for (auto& t : *image.mutable_threads())
        if (t.tid() == tid.value) t.add_pending(&info, sizeof info);
}

// `kept` is the deadline of the call that a move interrupted last; is the thread about to make it again?
std::optional<CallDeadline> deadline_to_keep(const wire::Thread& t, const std::optional<CallDeadline>& kept) {
    Registers r{};
    if (!kept || t.registers().size() != sizeof r) return std::nullopt;
    std::memcpy(&r, t.registers().data(), sizeof r);
    bool again = static_cast<int64_t>(r.orig_rax) == kept->nr && is_restart(static_cast<int64_t>(r.rax));
    return again ? kept : std::nullopt;
}

}  // namespace

Expected<json> Worker::bring_home(HomePid pid) {
    DeputyProcess* p = process_of(pid);
    if (p == nullptr) return fail("process {} is not away", pid.value);
    begin_clocks();
    TRY(wait_until_all_there(pid));
    p = process_of(pid);
    TRY(p->session->renew_stream());
    StreamCounts before = p->session->stream().counts();
    EarlyReturn early;
    TRY(bring_early(pid, early));
    p = process_of(pid);
    if (p == nullptr) return fail("process {} has ended", pid.value);
    files_.expect_flush(pid);
    Phases phases;
    stands_since_ns_ = monotonic_ns();
    TRY(freeze_guest(*p));
    phases.mark("freeze");
    MoveTotals totals{};
    RegionPlan plan;
    auto image = receive_image(*p);
    phases.mark("image");
    auto filled = [&]() -> Status {
        if (!image) return std::move(image.error());
        TRY(relay_image(*image, local_xstate_layout()));
        if (p->fatal) add_pending(*image, p->fatal->tid, p->fatal->info);
        TRY(files_.wait_flushed(pid, kImageTimeoutMs));
        tell_lost_stores();
        TRY(handle_session_events());  // what its calls have cost came before
        TRY(stop_deputies(*p));
        TRY(shape_skeleton(*p, *image, ShapeFor::Return, &plan));
        if (!p->keeps_copy) TRY(drop_stale(*p));
        TRY(protect_shared(*p, *image, PROT_WRITE));
        phases.mark("skeleton");
        TRY(receive_memory(*p, *image, plan, &totals));
        phases.mark("memory");
        TRY(check_cancelled(pid));
        return protect_shared(*p, *image, 0);
    }();
    if (!filled) {
        // What it has been told to send is not wanted any more, whenever it comes.
        if (process_of(pid) != nullptr) p->session->give_up_stream();
        if (process_of(pid) != nullptr) TRY(give_up_return(*p, filled.error()));
        return std::move(filled.error());
    }
    uint64_t calls = p->server->calls_of(pid), moves = p->moves + 1, returns = p->returns;
    if (auto settled = settle_in(*p, *image); !settled) {
        // Half of it is the program again and the guest may not go on beside it: its parent has to see it end.
        if (!is_being_killed(pid.value)) kill_away(*p, fmt::format("it came home and can't go on: {}", settled.error().message()));
        return settled.error();
    }
    phases.mark("settle");
    spdlog::debug("process {} stood still: {}", pid.value, phases.text());
    totals.bytes += early.totals.bytes, totals.pages += early.totals.pages;
    StreamCounts packed = p->session->stream().counts();
    packed.compressed_from -= before.compressed_from, packed.compressed_to -= before.compressed_to;
    json answer = summary(pid, "home", totals, packed);
    auto dropped = p->session->send(FrameType::Drop, ProcessHead{pid.value});
    if (!dropped) spdlog::info("node {}: {}", p->session->node(), dropped.error().message());
    forget(pid);
    answer.update({{"calls", calls},
                   {"moves", moves},
                   {"returns", returns},
                   {"rounds", early.rounds.size()},
                   {"cpu", cpu_used_away(*image)}});
    return answer;
}

Status Worker::freeze_guest(DeputyProcess& p) {
    using Answer = DeputyProcess::FreezeAnswer;
    HomePid pid = p.pid;
    int64_t deadline = monotonic_ns() + int64_t{kFreezeTimeoutMs} * 1'000'000;
    for (;;) {
        p.freeze = Answer::None;
        TRY(p.session->send(FrameType::Freeze, ProcessHead{pid.value}));
        auto answered = pump(kFreezeTimeoutMs, "the node does not answer",
                             [&] { return process_of(pid) == nullptr || p.freeze != Answer::None; });
        if (!answered) {
            // Its answer may be on its way, or the question.
            if (process_of(pid) != nullptr) TRY(p.session->send(FrameType::Thaw, ProcessHead{pid.value}));
            return answered;
        }
        if (process_of(pid) == nullptr) return fail("process {} has ended", pid.value);
        if (p.freeze == Answer::Acknowledged) return make_quiet(p);
        // A process of it is just being started: that takes as long as it takes to exec or exit.
        bool waits_for_us = another_returns(p);
        if (waits_for_us || monotonic_ns() > deadline) {
            TRY(p.session->send(FrameType::Thaw, ProcessHead{pid.value}));  // it may start others again
            return fail_code(waits_for_us ? EAGAIN : 0, "{}", p.freeze_text);
        }
        TRY(one_event(10));
        if (process_of(pid) == nullptr) return fail("process {} has ended", pid.value);
    }
}

Status Worker::make_quiet(DeputyProcess& p) {
    HomePid pid = p.pid;
    for (auto& [tid, t] : p.threads) {
        t.quiet = false;
        t.wants_quiet = true;
        auto progress = p.server->in_progress(tid);
        bool in_parts = progress && may_send_in_parts(progress->nr);
        t.last_ran_ns = in_parts ? asleep_since(pid.value, tid.value).value_or(0) : 0;
        auto done = interrupt(tid.value);
        if (!done && done.error().code() != ESRCH) return done;
        if (p.fatal && p.fatal->tid == tid) TRY(resume(tid.value));  // without the signal; stops for our INTERRUPT
        auto back = t.asked_signal != 0 ? put_signal_back(p, t) : Status();
        if (!back && back.error().code() != ESRCH) return back;
    }
    auto is_quiet = [&] {
        if (process_of(pid) == nullptr) return true;
        for (const auto& [tid, t] : p.threads)
            if (!t.exiting && (!t.quiet || p.server->in_progress(tid))) return false;
        return true;
    };
    auto quiet = pump(kFreezeTimeoutMs, "a system call at home can't be interrupted", is_quiet);
    if (process_of(pid) == nullptr) return fail("process {} has ended", pid.value);
    if (!quiet) {
        TRY(give_up_return(p, quiet.error()));
        return quiet;
    }
    p.server->wait_until_sent();
    return p.session->send(FrameType::Drained, ProcessHead{pid.value});
}

// Deputies take signals again: with the masks of the image, or (null) those that the guest still has.
Status Worker::end_quiet(DeputyProcess& p, const wire::Image* image) {
    bool looked = false;
    for (auto& [tid, t] : p.threads) {
        t.wants_quiet = false;
        if (!t.quiet) continue;
        // A stop by job control that came while one ran injected code shows at the next.
        bool looks = !std::exchange(looked, true);
        if (t.stopped && looks) TRY(resume(tid.value));
        if (!t.stopped || looks) TRY(stop_deputy(p, tid));
        t.quiet = false;
        uint64_t mask = t.mask_before_quiet;
        for (int i = 0; image != nullptr && i < image->threads_size(); i++)
            if (image->threads(i).tid() == tid.value) mask = image->threads(i).signal_mask();
        TRY(set_signal_mask(tid.value, mask));
        TRY(go_on(p, t));
    }
    return {};
}

Status Worker::give_up_return(DeputyProcess& p, const Error& why) {
    spdlog::warn("process {} stays on node {}: {}", p.pid.value, p.session->node(), why.message());
    TRY(end_quiet(p, nullptr));
    TRY(settle_pending_signals(p));
    // It may have been stopped or continued since it was frozen there, and another node been told.
    TRY(p.session->send(p.job_stopped ? FrameType::Stop : FrameType::Continue, ProcessHead{p.pid.value}));
    return p.session->send(FrameType::Thaw, ProcessHead{p.pid.value});
}

Expected<wire::Image> Worker::receive_image(DeputyProcess& p) {
    HomePid pid = p.pid;
    auto session = p.session;
    auto is_there = [&]() -> Status {
        if (process_of(pid) == nullptr) return fail("process {} has ended", pid.value);
        return on_the_way(pid, {0, true, 0, 0});
    };
    std::unique_ptr<Message> message;
    StreamView view{};
    do {  // what is left over of the way home of another process, which has ended on it
        TRY_ASSIGN(message, await_message(*session, kImageTimeoutMs, "sends no image", is_there));
        TRY(is_there());
        TRY_ASSIGN(view, parse_stream_message(message->bytes()));
    } while (view.head.pid != pid.value && view.head.kind != StreamKind::Failed);
    if (view.head.kind == StreamKind::Failed) return failure_of(view);
    if (view.head.kind != StreamKind::Image)
        return fail("node {} sends {} instead of an image", session->node(), static_cast<uint32_t>(view.head.kind));
    wire::Image image;
    if (!image.ParseFromArray(view.payload.data(), static_cast<int>(view.payload.size())))
        return fail("node {} sends an image that can't be parsed", session->node());
    if (auto checked = check_image(image); !checked)
        return std::move(checked.error()).within(fmt::format("node {}", session->node()));
    if (image.agent_base() != p.region().base() || static_cast<size_t>(image.threads_size()) != p.threads.size())
        return fail("node {} sends an image with {} threads instead of {}", session->node(), image.threads_size(),
                    p.threads.size());
    for (const auto& t : image.threads())
        if (!p.threads.contains(HomePid(t.tid()))) return fail("node {} sends an image with a thread {}", session->node(), t.tid());
    return image;
}

// One that is quiet. SIGSTOP is what may still come to it: the node is told with what it is told next.
Status Worker::stop_deputy(DeputyProcess& p, HomePid tid) {
    InjectedRun run(tid.value);
    TRY(interrupt(tid.value));
    for (;;) {
        TRY_ASSIGN(int status, wait(tid.value, kFreezeTimeoutMs));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail("the program was killed");
        if (stop.kind == Stop::Kind::Group) p.job_stopped = true;
        if (stop.kind != Stop::Kind::Signal) return {};
        TRY_ASSIGN(int signal, run.signal_after(stop));
        if (stop.signal == SIGTRAP) return run.end(*this);
        TRY(interrupt(tid.value));  // any stop takes a pending one away
        TRY(resume(tid.value, signal));
    }
}

Status Worker::stop_deputies(DeputyProcess& p) {
    for (auto& [tid, t] : p.threads) {
        if (t.exiting) continue;
        if (!t.stopped) TRY(stop_deputy(p, tid));
        t.stopped = true;
        TRY(set_signal_mask(tid.value, kInjectionMask));
    }
    return {};
}

// What is where the heap has grown to, on the node, has been unmapped there before. `now`: where the break is here.
Status Worker::clear_way_of_heap(const DeputyProcess& p, uint64_t now, uint64_t wanted) {
    auto page_up = [](uint64_t address) { return (address + kPage - 1) & ~(kPage - 1); };
    uint64_t start = page_up(now), end = page_up(wanted);
    if (start >= end || AddressRange{p.region().base(), p.region().base() + kAgentSize}.overlaps(start, end)) return {};
    Batch batch(p.alive(), p.alive(), p.region().place_for_batches(), *this);
    batch.call(SYS_munmap, start, end - start);
    batch.call(SYS_brk, wanted);
    return batch.run();
}

// Stack and heap grow in ways of their own (a new mapping below [stack] would not grow any more, and brk keeps an
// account): first these, then the difference of the two lists of regions.
Status Worker::shape_skeleton(DeputyProcess& p, const wire::Image& image, ShapeFor purpose, RegionPlan* plan) {
    pid_t pid = p.alive();
    RoomForAgent room(pid);
    AddressRange agent{p.region().base(), p.region().base() + kAgentSize};
    auto look = [&]() -> Status {
        wire::Image now;
        TRY(describe_regions(pid, agent, now, p.layout.regions_size() > 0 ? &p.layout : nullptr));
        p.layout = std::move(now);
        return {};
    };
    TRY(look());
    Batch batch(pid, pid, p.region().place_for_batches(), *this);
    for (const auto& r : image.regions()) {
        if (!r.grows_down()) continue;
        for (const auto& h : p.layout.regions())
            // The kernel's own write into the page is a fault like the program's, and makes the stack grow.
            if (h.grows_down() && h.end() == r.end() && r.start() < h.start()) batch.call(SYS_rt_sigpending, r.start(), 8);
    }
    uint64_t brk = image.layout().brk();
    std::optional<size_t> moved_break;
    if (brk != 0) moved_break = batch.call(SYS_brk, brk);
    TRY(batch.run());
    if (moved_break) TRY(clear_way_of_heap(p, static_cast<uint64_t>(batch.result(*moved_break)), brk));
    TRY(look());
    RegionPlan steps = plan_regions(p.layout, image);
    auto needs_contents = [](const RegionStep& s) {
        return s.what == RegionStep::Do::Map && s.target->kind() == wire::Region::FILE;
    };
    if (purpose == ShapeFor::Round) std::erase_if(steps.steps, needs_contents);
    // What is in files comes too: they are not open here any more.
    auto memory = [](const RegionStep&) { return kAnonymousMemory; };
    TRY(change_regions(pid, steps, p.region().place_for_batches(), *this, Locks::Now, memory));
    if (!steps.steps.empty()) p.layout.clear_regions();  // what it is now is looked at when it is needed
    Injector injector(pid, *this);
    uint64_t instruction = agent_address(p.region().base(), pmi_agent_syscall);
    TRY(join_mappings(pid, image, [&](int64_t nr, const auto& args) { return injector.call_at(instruction, nr, args); }));
    if (plan != nullptr) *plan = std::move(steps);
    return {};
}

// Shared memory that the program may have written to and has protected since: open for what comes, then as it was.
Status Worker::protect_shared(DeputyProcess& p, const wire::Image& image, uint32_t also) {
    Batch batch(p.alive(), p.alive(), p.region().place_for_batches(), *this);
    std::vector<size_t> calls;
    for (const auto& r : image.regions()) {
        bool is_shared = r.kind() == wire::Region::FILE && r.shared() && has_vm_flag(r.vm_flags(), "mw");
        if (!is_shared || (r.protection() & PROT_WRITE) || image.files(static_cast<int>(r.file())).written_back() != 0) continue;
        calls.push_back(batch.call(SYS_mprotect, r.start(), r.end() - r.start(), r.protection() | also));
    }
    if (calls.empty()) return {};
    TRY(batch.run());
    for (size_t call : calls) TRY(batch.check(call, "change the protection of shared memory"));
    return {};
}

Status Worker::take_drop(const DeputyProcess& p, const MemoryInstaller& installer, const StreamView& view) {
    TRY_ASSIGN(auto ranges, installer.dropped(view));
    return drop_here(p, ranges);
}

Status Worker::receive_memory(DeputyProcess& p, const wire::Image& image, const RegionPlan& plan, MoveTotals* totals) {
    std::vector<MemoryRun> runs;
    for (const auto& range : plan.whole) runs.push_back({range.start, range.end - range.start});
    TRY(p.session->stream().send(make_stream_message(StreamKind::Need, p.pid.value, runs, {})));
    MemoryInstaller installer(p.alive(), image, [](uint32_t) { return -1; });
    installer.leave_out_behind_file_ends();
    Status installed;
    uint64_t received = 0;
    for (;;) {
        TRY_ASSIGN(auto message, receive_for(p.pid, *p.session, kImageTimeoutMs, {0, true, received, 0}));
        received += message->bytes().size();
        TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
        if (view.head.kind == StreamKind::Failed) return fail("node {} gave up", p.session->node());
        if (view.head.kind == StreamKind::End) {
            if (view.payload.size() == sizeof *totals) std::memcpy(totals, view.payload.data(), sizeof *totals);
            return installed;
        }
        if (view.head.kind != StreamKind::Pages && view.head.kind != StreamKind::Drop)
            return fail("node {} sends no memory", p.session->node());
        // What was sent is received in any case: the next move finds the stream empty.
        if (installed) installed = view.head.kind == StreamKind::Drop ? take_drop(p, installer, view) : installer.install(view);
    }
}

Status Worker::settle_in(DeputyProcess& p, const wire::Image& image) {
    pid_t alive = p.alive();
    AgentPlace agent = p.region().place_for_batches();
    std::vector<ThreadState> threads;
    for (const auto& t : image.threads())
        if (!t.ended()) threads.push_back({t.tid(), &t});
    TRY(assist_->install_threads(threads, agent, *this));
    TRY(assist_->settle_process(alive, image, agent, *this));
    TRY(assist_->requeue_signals(p.pid.value, image, agent, *this));
    TRY(AgentRegion::remove(alive, image.agent_base(), *this));
    RemoteMemory memory(alive);
    if (p.cpu_account != 0) {
        // Without it its CPU clocks go back; it can go on.
        auto written = write_cpu_account(memory, p.cpu_account, cpu_account_of(image));
        if (!written) spdlog::warn("process {}: write its CPU time: {}", p.pid.value, written.error().message());
    }
    for (const auto& [tid, t] : threads) TRY(assist_->release_thread(tid, *t, memory, monotonic_ns(), GoesOn::AtHome));
    auto deadline_of = [&](const wire::Thread& t) { return deadline_to_keep(t, p.server->kept_deadline(HomePid(t.tid()))); };
    auto is_unfinished = [&](const wire::Thread& t) { return UnfinishedCalls::is_unfinished(t.transferred(), deadline_of(t)); };
    for (const auto& [tid, t] : threads)
        if (!is_unfinished(*t)) TRY(set_options(tid, 0));
    if (int over_limit = signal_of_cpu_limit(p.pid, image)) (void)::kill(p.pid.value, over_limit);
    for (const auto& [tid, t] : threads) {
        if (is_unfinished(*t)) {
            TRY(unfinished_.go_on(p.pid, {tid, t->transferred(), deadline_of(*t)}));
            continue;
        }
        auto detached = detach(tid);
        // Those that were let go before may have ended the program by now.
        if (!detached && detached.error().code() != ESRCH) return detached;
    }
    return {};
}

}  // namespace pmi
