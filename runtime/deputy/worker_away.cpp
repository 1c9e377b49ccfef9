// Leaving home, and going on from node to node. Whatever fails before the destination says Running, the program goes
// on where it was:
//   leave_home   place, freeze, agent, capture, memory, Ready  -> thawed at home, as if nothing had been
//                stripped, in the loop, Go                     -> rolled back: installed again, thawed
//                Running                                       -> away; only now home gives its memory up
//   hop          place, quiet, image, memory, Ready            -> Thaw at the old node
//                Go, Running                                   -> Drop at the old node
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "kernel-assist/userspace/pending_signals.h"
#include "kernel-assist/userspace/userspace_assist.h"
#include "remote/wire/compatibility.h"
#include "remote/wire/machine.h"
#include "remote/wire/printable.h"
#include "remote/wire/xstate.h"
#include "runtime/base/log.h"
#include "runtime/base/phases.h"
#include "runtime/deputy/movable.h"
#include "runtime/deputy/reopened_file.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/procfs.h"
#include "runtime/memory/guard_pages.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/regions.h"
#include "runtime/tracee/cpu_account.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

using nlohmann::json;

namespace {

constexpr int kFreezeTimeoutMs = 2000;
constexpr int kReadyTimeoutMs = 30000;
constexpr int kRunningTimeoutMs = 10000;
constexpr unsigned long kDeputyOptions =
    PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;

// What the program has open of its own memory has to show it: it would not, from another machine.
Status check_open_files(HomePid pid, pid_t alive) {
    TRY_ASSIGN(auto fds, list_fds(alive));
    for (const auto& fd : fds) {
        std::string own = fmt::format("/proc/{}/", pid.value);
        if (fd.target.starts_with(own) &&
            (fd.target.ends_with("/mem") || fd.target.ends_with("/pagemap") || fd.target.ends_with("maps")))
            return fail("cantmove: it has its own memory open ({})", fd.target);
    }
    return {};
}

// What the first check says of mappings, of those that the program has made, or done something to, since.
Status check_regions(const wire::Image& image) {
    std::set<std::pair<std::string_view, std::string_view>> seen;  // of thousands most are alike
    for (const auto& r : image.regions()) {
        if (!seen.emplace(r.name(), r.vm_flags()).second) continue;
        MapsEntry mapping;
        mapping.name = r.name();
        mapping.vm_flags = r.vm_flags();
        if (auto why = cantmove_mapping(mapping)) return fail("cantmove: {}", *why);
    }
    return {};
}

// Where the node's kernel has none, or does not tell of them, the program stays.
Status check_guards(bool has_guards, const wire::Machine& node) {
    if (!has_guards || node.guard_pages()) return {};
    return fail("cantmove: it has guard pages (MADV_GUARD_INSTALL), which need Linux 6.16 on node {}", printable(node.name()));
}

// Before it stands still.
Status look_for_guards(pid_t alive, const wire::Machine& node) {
    if (node.guard_pages()) return {};
    TRY_ASSIGN(auto maps, read_maps(alive));
    std::vector<PageRun> all;
    for (const auto& m : maps)
        if (m.name != "[vsyscall]") all.push_back({m.start, m.end});
    TRY_ASSIGN(auto guards, find_guard_pages(alive, all));
    return check_guards(!guards.empty(), node);
}

// Where it began, which is another place for the next program (but where addresses are not random).
uint64_t stack_of_program(HomePid pid) {
    auto stat = read_stat(pid.value);
    return stat ? stat->start_stack : 0;
}

// What the program was started with (pmirun --cpu-baseline): its libraries use no more than that.
Status limit_to_programs_baseline(pid_t pid, wire::Machine& home) {
    auto environment = read_file(fmt::format("/proc/{}/environ", pid));
    if (!environment) return {};  // it is not ours to read: then all that the CPU has counts
    constexpr std::string_view kName = "PMI_CPU_BASELINE=";
    std::string_view rest(*environment);
    while (!rest.empty()) {
        std::string_view entry = rest.substr(0, rest.find('\0'));
        if (entry.starts_with(kName)) return limit_to_baseline(&home, entry.substr(kName.size()));
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    }
    return {};
}

// Its own pages, while it still runs: there is less to be looked at when it stands still.
Status foresee(pid_t alive, const wire::Image& layout, PageSet& pages) {
    TRY_ASSIGN(PageMap map, PageMap::open(alive));
    for (const auto& r : layout.regions()) {
        if (!is_private(r)) continue;
        TRY_ASSIGN(auto own, map.own_pages(r.start(), r.end()));
        pages.unite(PageSet(std::move(own)));
    }
    return {};
}

// Its limit on locked memory does not hold for who may lock what he likes (CAP_IPC_LOCK); the guest has no such right.
void lift_memory_lock(HomePid pid, wire::Image& image) {
    constexpr uint64_t kIpcLock = uint64_t{1} << 14;
    auto status = read_status(pid.value);
    if (!status || (status->effective_capabilities & kIpcLock) == 0) return;
    for (auto& limit : *image.mutable_limits()) {
        if (limit.resource() != RLIMIT_MEMLOCK) continue;
        limit.set_soft(RLIM_INFINITY);
        limit.set_hard(RLIM_INFINITY);
    }
}

// Those that live, each with its part of the image.
std::vector<ThreadState> states_of(const Frozen& frozen, const wire::Image& image) {
    std::vector<ThreadState> states;
    for (size_t i = 0; i < frozen.threads.size(); i++)
        if (!frozen.threads[i].ended) states.push_back({frozen.threads[i].tid, &image.threads(static_cast<int>(i))});
    return states;
}

// Killed as it stood still, or ended, or begun another program, as soon as it ran there.
Error is_no_more(HomePid pid) { return fail_code(ESRCH, "process {} has ended, or has begun another program", pid.value); }

}  // namespace

Expected<json> Worker::migrate(HomePid pid, const NodeAddress& to, const std::string& mode, const json& cpu) {
    DeputyProcess* p = process_of(pid);
    // A worker has done its work with the move that fails, or that brings the last program home.
    bool come_home = p == nullptr && std::exchange(had_process_, true) && !unfinished_.has(pid);
    if (come_home) return fail("process {} has come home by itself", pid.value);
    if (p != nullptr) return hop(*p, to, mode);
    restarted_.clear();
    uint64_t stack = stack_of_program(pid);
    auto left = leave_home(pid, to, mode, cpu);
    if (left || mode == "stop" || is_being_killed(pid.value)) return left;
    // The memory that travelled was that of the program before execve(2), whatever was asked for; or it has come to write in ways
    // that can't be followed.
    bool has_begun_another = left.error().code() == ESRCH || stack_of_program(pid) != stack;
    if (!has_begun_another && (mode != "auto" || left.error().code() != ENOTSUP)) return left;
    spdlog::info("process {}: {}; it stops for its move", pid.value, left.error().message());
    return leave_home(pid, to, "stop", cpu);
}

Expected<std::shared_ptr<NodeSession>> Worker::open_session(HomePid pid, const NodeAddress& to) {
    TRY_ASSIGN(wire::Machine home, describe_machine(""));
    TRY(limit_to_programs_baseline(thread_with_memory(pid.value), home));
    wire::Host host;
    *host.mutable_home() = home;
    auto status = read_status(pid.value);
    host.set_memory_needed(status ? status->vm_rss_kib * 1024 : 0);
    auto stat = read_stat(pid.value);
    host.set_program(stat ? stat->comm : "");
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) == 0) host.set_home_hostname(name);
    host.set_reconnect_seconds(setup_.reconnect_seconds);
    Security security = setup_.insecure ? Security::Insecure : Security::Curve;
    TRY_ASSIGN(std::shared_ptr<NodeSession> session, NodeSession::open(*transport_, ring_.get(), security, to, std::move(host)));
    return session;
}

Expected<json> Worker::leave_home(HomePid pid, const NodeAddress& to, const std::string& mode, const json& cpu) {
    begin_clocks();
    Phases prepared;
    TRY_ASSIGN(auto session, open_session(pid, to));
    prepared.mark("session");
    TRY(look_for_guards(thread_with_memory(pid.value), session->machine()));
    MoveFacts facts;
    TRY_ASSIGN(MoveMode chosen, choose_mode_out(pid, *session, mode, &facts));
    std::unique_ptr<LaterCopy> later;
    if (may_follow(chosen)) {
        TRY_ASSIGN(later, prepare_later(pid, *session));
        prepared.mark("lines");
    }
    TRY_ASSIGN(auto early, copy_early(pid, *session, chosen, facts));
    prepared.mark("rounds");
    bool all_follows = chosen == MoveMode::Postcopy;
    if (chosen == MoveMode::PrecopyThenPostcopy && early) {
        later->is_wanted = !early->is_nearly_there && !is_little(early->rounds, facts.link);
        all_follows = later->is_wanted && !can_end(early->rounds, facts.link);
        if (all_follows) TRY(take_back(pid, *session, *early));
    }
    if (all_follows && early) TRY(foresee(thread_with_memory(pid.value), early->layout, later->pages));
    SharerSearch sharers(pid.value);
    if (auto why = cantmove_sharing(sharers)) return fail("cantmove: {}", *why);
    prepared.mark("sharers");
    spdlog::debug("process {} was prepared: {}", pid.value, prepared.text());
    Phases phases;
    TRY_ASSIGN(Frozen frozen, freeze_home(pid));
    phases.mark("freeze");
    // It has run since the supervisor looked.
    if (auto why = cantmove_reason(pid.value, {{::getpid()}, setup_.own_filters, true})) {
        TRY(thaw_home(frozen));
        return fail("cantmove: {}", *why);
    }
    phases.mark("look");
    std::shared_ptr<AgentRegion> region;
    auto image = capture(frozen, pid, session->machine(), early.get(), sharers, &region);
    phases.mark("capture");
    if (!image) {
        TRY(thaw_home(frozen));
        return std::move(image.error());
    }
    note_cpu_of_earlier_stays(cpu, *image);
    note_cpu_used_at_home(pid, *image);
    auto account = find_cpu_account(pid.value);
    if (!account) spdlog::warn("process {}: look for its account of CPU time: {}", pid.value, account.error().message());
    image->set_cpu_account(account.value_or(0));
    MoveTotals totals{};
    ReadyNote ready{};
    bool stripped = false, has_deputies = false;
    auto moved = [&]() -> Status {
        TRY(send_out(*session, *image, frozen.alive(), early.get(), later.get(), &totals));
        phases.mark("send");
        // While the node builds.
        stripped = true;
        TRY(become_deputies(frozen, *image, region, session));
        has_deputies = true;
        if (later) process_of(pid)->pages = std::move(later->server);
        phases.mark("strip");
        TRY_ASSIGN(ready, wait_for_ready(pid, *session, {rounds_of(early.get()), true, totals.bytes, 0}));
        phases.mark("node");
        if (process_of(pid) == nullptr) return is_no_more(pid);
        TRY(check_cancelled(pid));
        TRY(start_deputies(*process_of(pid)));
        if (process_of(pid) == nullptr) return is_no_more(pid);
        phases.mark("deputies");
        TRY(commit(*process_of(pid), *session));
        phases.mark("go");
        return {};
    }();
    if (!moved) {
        bool is_gone = has_deputies && process_of(pid) == nullptr;
        // Lost as soon as it ran there, and killed.
        if (has_deputies && !is_gone && process_of(pid)->running) return std::move(moved.error());
        auto back = is_gone ? Status() : roll_back(frozen, *image, *region, stripped);
        if (!back) spdlog::error("roll back process {}: {}", pid.value, back.error().message());
        // Killed under our hands: nobody will tell of its end any more.
        bool is_left = process_of(pid) != nullptr && is_being_killed(pid.value);
        if (is_gone || is_left) forget(pid);
        return std::move(moved.error());
    }
    json answer = summary(pid, to.name, totals, session->stream().counts());
    spdlog::debug("process {} stood still: {}", pid.value, phases.text());
    DeputyProcess& p = *process_of(pid);
    p.moves++;
    bool follows = p.pages && p.pages->counts().pages > 0;
    answer["mode"] = follows ? "postcopy" : early ? "precopy" : "stop";
    answer["rounds"] = rounds_of(early.get());
    if (p.pages) {
        if (follows) answer["later_pages"] = p.pages->counts().pages;
        p.pages->begin_push();
    }
    p.node_tracks = ready.tracks != 0;
    // In pieces: nobody's call waits for all of it.
    while (early && early->follower->let_go_some()) TRY(one_event(0));
    DeputyProcess* there = process_of(pid);
    if (there != nullptr && !there->pages) TRY(keep_or_free(*there, *image, there->node_tracks));
    return answer;
}

// Nobody else traces it from here on.
Status Worker::take_from_trap(HomePid pid) {
    if (!setup_.signals_trapped) return {};
    released_ = HomePid();
    send({{"event", "hold"}, {"pid", pid.value}});
    int64_t deadline = monotonic_ns() + int64_t{kFreezeTimeoutMs} * 1'000'000;
    while (released_ != pid) {
        if (supervisor_gone_ || monotonic_ns() > deadline) return fail("the trap of its steering signals does not let go");
        pollfd channel{setup_.channel, POLLIN, 0};
        if (::poll(&channel, 1, 10) < 0 && errno != EINTR) return fail_errno("poll");
        TRY(check_cancelled(pid));
    }
    return {};
}

Expected<Frozen> Worker::freeze_home(HomePid pid) {
    TRY(take_from_trap(pid));
    stands_since_ns_ = monotonic_ns();
    TRY_ASSIGN(auto left, unfinished_.hold(pid, *this));
    auto frozen = freeze(pid.value, RestartBlock::Stays, *this, kFreezeTimeoutMs, restarted_, left);
    restarted_.clear();
    if (frozen) return frozen;
    for (const auto& t : left.late) unfinished_.await_stop(pid, t);
    for (const auto& t : left.held) {
        if (UnfinishedCalls::is_unfinished(t.transferred, t.deadline))
            TRY(unfinished_.go_on(pid, t));
        else
            TRY(detach(t.tid));
    }
    return frozen;
}

// All go on where they were. Goes on with the others when one fails.
Status Worker::thaw_home(const Frozen& frozen) {
    longest_stall_ns_ = std::max(longest_stall_ns_, monotonic_ns() - stands_since_ns_);
    Status result;
    for (const auto& t : frozen.threads) {
        if (t.ended) continue;
        auto one = [&]() -> Status {
            TRY_ASSIGN(auto restarted, put_back(t));
            if (restarted) restarted_.push_back(*restarted);
            if (UnfinishedCalls::is_unfinished(t.transferred, t.deadline))
                return unfinished_.go_on(HomePid(frozen.pid), {t.tid, t.transferred, t.deadline});
            return detach(t.tid);
        }();
        if (!one && result) result = std::move(one);
    }
    if (setup_.signals_trapped) send({{"event", "let_go"}, {"pid", frozen.pid}});
    return result;
}

// The agent goes in first: it answers what can't be seen from outside. Who shares memory with it is looked for last: whoever comes
// to do so then has opened a file that is watched.
Expected<wire::Image> Worker::capture(const Frozen& frozen, HomePid pid, const wire::Machine& node, const EarlyCopy* early,
                                      SharerSearch& sharers, std::shared_ptr<AgentRegion>* region) {
    pid_t alive = frozen.alive();
    TRY_ASSIGN(*region, AgentRegion::place(alive, *this, early != nullptr ? early->agent_base : 0));
    uint64_t base = (*region)->base();
    wire::Image image;
    auto captured = [&]() -> Status {
        TRY(assist_->capture(frozen, (*region)->place_for_batches(), *this, image));
        lift_memory_lock(pid, image);
        TRY(check_live_xstate(image, node));
        TRY(describe_regions(alive, {base, base + kAgentSize}, image, early != nullptr ? &early->layout : nullptr));
        TRY(check_regions(image));
        TRY(describe_guard_pages(alive, early != nullptr ? early->follower->tracking().get() : nullptr, image));
        TRY(check_guards(image.guards_size() > 0, node));
        TRY(describe_home_vdso(alive, image));
        TRY(check_open_files(pid, alive));
        TRY(files_.watch_image(pid, HomePid(alive), image, [&](const wire::MappedFile& file, const std::string& path) {
            return reopen_mapped(alive, (*region)->place_for_batches(), *this, image, file, path);
        }));
        auto why = cantmove_sharing(sharers, image);
        return why ? fail("cantmove: {}", *why) : Status();
    }();
    if (captured) return image;
    files_.forget(pid);
    (void)AgentRegion::remove(alive, base, *this);
    return std::move(captured.error());
}

Status Worker::send_out(NodeSession& session, const wire::Image& image, pid_t pid, EarlyCopy* early, LaterCopy* later,
                        MoveTotals* totals) {
    std::string bytes = image.SerializeAsString();
    TRY(session.stream().send(make_stream_message(StreamKind::Image, image.pid(), {}, std::as_bytes(std::span(bytes)))));
    SendOrder order;
    order.pid = pid;
    order.image = &image;
    order.file_contents = true;
    order.file_page = reader_of_files(HomePid(pid), image);
    if (early == nullptr) order.finder = session.finder();  // what was written since the first round is nowhere else
    bool is_to_follow = later != nullptr && later->is_wanted;
    if (is_to_follow) {
        if (early != nullptr) order.link = link_of(early->rounds);
        order.later = &later->pages;
        order.at_once = touched_at_once(image);
    }
    uint64_t before = early != nullptr ? early->totals.bytes : 0;
    order.between = [&](const MoveTotals& sent, uint64_t left) {
        return on_the_way(HomePid(image.pid()), {rounds_of(early), true, before + sent.bytes, left});
    };
    if (early != nullptr && early->files.changed(HomePid(image.pid()))) early->follower->files_changed();
    auto everything = make_stop_copy();
    Mover& mover = early != nullptr ? static_cast<Mover&>(*early->follower) : *everything;
    TRY_ASSIGN(*totals, mover.send(order, session.stream()));
    if (is_to_follow) later->pages.subtract(guard_pages_of(image));  // which they have become since they were looked at
    totals->bytes += bytes.size();
    if (early != nullptr) *totals += early->totals;
    if (is_to_follow) TRY(send_later(image, pid, session, *later));
    return session.stream().send(make_stream_message(StreamKind::End, image.pid(), {}, std::as_bytes(std::span(totals, 1))));
}

Expected<std::unique_ptr<Message>> Worker::await_message(NodeSession& session, int timeout_ms, const char* late,
                                                         const std::function<Status()>& check) {
    int64_t deadline = monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        TRY_ASSIGN(auto message, session.stream().try_receive());
        if (message) return message;
        int64_t left = deadline - monotonic_ns();
        if (left <= 0) return fail_code(ETIMEDOUT, "node {} {}", session.node(), late);
        if (check) TRY(check());
        std::array<pollfd, 3> fds{
            {{session.stream().poll_fd(), POLLIN, 0}, {children_.get(), POLLIN, 0}, {events_->fd(), POLLIN, 0}}};
        constexpr int64_t kLookAgainMs = 20;  // for a wish to cancel
        int ms = static_cast<int>(std::min(left / 1'000'000 + 1, kLookAgainMs));
        if (::poll(fds.data(), fds.size(), children_changed_ ? 0 : ms) < 0 && errno != EINTR) return fail_errno("poll");
        TRY(one_event(0));
    }
}

Expected<ReadyNote> Worker::wait_for_ready(HomePid pid, NodeSession& session, const MoveStep& step) {
    TRY_ASSIGN(auto message,
               await_message(session, kReadyTimeoutMs, "does not say that it is ready", [&] { return on_the_way(pid, step); }));
    TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
    ReadyNote note{};
    if (view.head.kind == StreamKind::Ready) {
        if (view.payload.size() == sizeof note) std::memcpy(&note, view.payload.data(), sizeof note);
        return note;
    }
    if (view.head.kind == StreamKind::Failed) return failure_of(view);
    return fail("node {} answers {} instead of Ready", session.node(), static_cast<uint32_t>(view.head.kind));
}

Status Worker::become_deputies(const Frozen& frozen, const wire::Image& image, std::shared_ptr<AgentRegion> region,
                               std::shared_ptr<NodeSession> session) {
    HomePid pid(frozen.pid);
    auto made = std::make_unique<DeputyProcess>();
    made->pid = pid;
    made->session = std::move(session);
    made->server = std::make_shared<CallServer>(std::move(region), files_);
    TRY(made->server->start());
    made->cpu_account = image.cpu_account();
    *made->layout.mutable_regions() = image.regions();
    *made->layout.mutable_files() = image.files();
    made->layout.mutable_layout()->set_arg_start(image.layout().arg_start());
    DeputyProcess& p = *made;
    processes_[pid] = std::move(made);
    p.server->set_channel(pid, p.session->channel());
    TRY(assist_->strip_process(frozen.alive(), image, p.region().place_for_batches(), *this));
    TRY(assist_->strip_threads(states_of(frozen, image), p.region().place_for_batches(), *this));
    for (const FrozenThread& t : frozen.threads) {
        DeputyThread thread{HomePid(t.tid)};
        if (t.ended) {
            thread.exiting = thread.untraced = true;
            p.threads[HomePid(t.tid)] = thread;
            continue;
        }
        TRY_ASSIGN(uint32_t slot, p.region().allocate_slot());
        TRY(p.server->add_thread(pid, HomePid(t.tid), slot));
        if (t.deadline) p.server->keep_deadline(HomePid(t.tid), *t.deadline);
        TRY_ASSIGN(Registers r, get_registers(t.tid));
        // An interrupted sleep is kept: its restart block is the kernel's, and the guest's restart_syscall finds it.
        TRY(set_registers(t.tid, p.region().loop_registers(r, slot)));
        TRY(set_signal_mask(t.tid, t.signal_mask));
        TRY(set_options(t.tid, kDeputyOptions));
        thread.stopped = true;
        p.threads[HomePid(t.tid)] = thread;
    }
    p.job_stopped = frozen.job_stopped;
    return {};
}

// The node has it all: from now on signals are passed on.
Status Worker::start_deputies(DeputyProcess& p) {
    TRY(p.session->start(p.server, *events_));
    for (auto& [tid, t] : p.threads)
        if (!t.untraced) TRY(go_on(p, t));
    return settle_pending_signals(p);
}

// Signals that came while the program was frozen go to the guest before it starts: they still interrupt the call that it is in, and
// their handlers run before that returns. A program that is stopped by job control takes none before it is continued.
Status Worker::settle_pending_signals(DeputyProcess& p) {
    if (p.job_stopped) return {};
    auto is_due = [&] {
        for (const auto& [tid, t] : p.threads) {
            if (t.exiting) continue;
            auto s = read_status(p.pid.value, tid.value);
            if (s && ((s->sig_pending | s->shared_pending) & ~s->sig_blocked) != 0) return true;
        }
        return false;
    };
    HomePid pid = p.pid;
    TRY_ASSIGN(ProcStatus at_first, read_status(p.alive()));
    int64_t began_ns = monotonic_ns(), last_ns = began_ns;
    uint64_t before = p.signals_taken, last = before;
    // Where they never end it is enough that all are taken that were there at first; where none is taken, nobody waits for long.
    constexpr int64_t kUsualNs = 200'000'000;
    constexpr int kMostMs = 5000;
    auto is_enough = [&] {
        int64_t now = monotonic_ns();
        if (std::exchange(last, p.signals_taken) != p.signals_taken) last_ns = now;
        bool took_all = p.signals_taken - before > at_first.queued_signals;
        return now - last_ns > kUsualNs || (took_all && now - began_ns > kUsualNs);
    };
    auto taken =
        pump(kMostMs, "pending signals are not taken", [&] { return process_of(pid) == nullptr || !is_due() || is_enough(); });
    if (!taken && taken.error().code() != ETIMEDOUT) return taken;
    if (process_of(pid) == nullptr) return is_no_more(pid);
    return one_event(0);
}

Status Worker::commit(DeputyProcess& p, NodeSession& session) {
    HomePid pid = p.pid;
    if (p.job_stopped) TRY(session.send(FrameType::Stop, ProcessHead{pid.value}));
    TRY(session.send(FrameType::Go, ProcessHead{pid.value}));
    auto is_gone = [&] { return process_of(pid) == nullptr; };
    auto told = pump(kRunningTimeoutMs, "the node does not say that the program runs there",
                     [&] { return is_gone() || process_of(pid)->running || session.is_lost(); });
    if (!is_gone() && process_of(pid)->running) return {};
    // Whether it runs there is in what the node has sent before its connection ends: its calls are served as they come.
    session.end();
    TRY(handle_session_events());
    if (is_gone()) return is_no_more(pid);
    TRY(std::move(told));
    return fail_code(ECONNRESET, "the connection to node {} is lost", session.node());
}

// `signal`: for which it stands in a stop, 0: it runs. That one, and one that comes meanwhile, is queued again by the kernel, since
// it is blocked by then.
Status Worker::stop_for_rollback(pid_t tid, int signal) {
    for (;;) {
        if (signal != 0) TRY(set_signal_mask(tid, kEverySignal));
        TRY(interrupt(tid));
        if (signal != 0) TRY(resume(tid, signal));
        TRY_ASSIGN(int status, wait(tid, kFreezeTimeoutMs));
        Stop stop = classify(status);
        if (stop.kind == Stop::Kind::Exited) return fail_code(ESRCH, "thread {} has ended", tid);
        if (stop.kind != Stop::Kind::Signal) return {};
        signal = stop.signal;
    }
}

// The node that they were passed on to is not to have the program after all.
Status Worker::requeue_passed_on(HomePid pid, const std::vector<SignalHead>& signals, AgentPlace agent) {
    std::map<int32_t, std::vector<siginfo_t>> of_threads;
    for (const auto& s : signals) of_threads[s.tid].push_back(s.info);
    for (const auto& [tid, infos] : of_threads) TRY(queue_signals(pid.value, tid, QueuedFor::Thread, infos, agent, *this));
    return {};
}

// Home's copy is untouched but for what strip_process and strip_threads took out.
Status Worker::roll_back(const Frozen& frozen, const wire::Image& image, const AgentRegion& region, bool stripped) {
    HomePid pid(frozen.pid);
    std::map<HomePid, DeputyThread> deputies;
    std::vector<SignalHead> passed_on;
    if (const DeputyProcess* p = process_of(pid)) deputies = p->threads, passed_on = p->passed_on;
    for (const FrozenThread& t : frozen.threads) {
        if (t.ended || !stripped) continue;
        auto deputy = deputies.find(HomePid(t.tid));
        int asked = deputy != deputies.end() ? deputy->second.asked_signal : 0;
        bool runs = deputy != deputies.end() && !deputy->second.stopped;
        if (runs || asked != 0) TRY(stop_for_rollback(t.tid, asked));
        TRY(set_signal_mask(t.tid, kInjectionMask));
    }
    if (stripped) TRY(assist_->install_threads(states_of(frozen, image), region.place_for_batches(), *this));
    if (stripped) TRY(assist_->settle_process(frozen.alive(), image, region.place_for_batches(), *this));
    TRY(requeue_passed_on(pid, passed_on, region.place_for_batches()));
    TRY(AgentRegion::remove(frozen.alive(), region.base(), *this));
    for (const auto& t : frozen.threads)
        if (!t.ended) TRY(set_options(t.tid, 0));
    if (process_of(pid) != nullptr) forget(pid);
    files_.forget(pid);
    return thaw_home(frozen);
}

// It goes on where it was, if that is still there.
Status Worker::roll_back_hop(HomePid pid, const std::shared_ptr<NodeSession>& old, const Error& why) {
    DeputyProcess* p = process_of(pid);
    bool ran = p != nullptr && p->session != old && p->running;  // lost as soon as it ran there, and killed
    if (p == nullptr || ran) return {};
    old->give_up_stream();  // what it has been told to send is not wanted any more
    p->session = old;
    p->running = true;
    p->server->set_channel(pid, old->channel());
    for (const auto& signal : std::exchange(p->passed_on, {})) tell(*p, FrameType::Signal, signal);
    auto back = give_up_return(*p, why);
    if (process_of(pid) == nullptr || is_being_killed(pid.value)) return {};
    if (old->is_lost() || !back)
        kill_away(*p, fmt::format("it could not go on to another node ({}), and node {} is lost, where it was", why.message(),
                                  old->node()));
    return {};
}

Expected<json> Worker::hop(DeputyProcess& p, const NodeAddress& to, const std::string& mode) {
    begin_clocks();
    HomePid pid = p.pid;
    MoveFacts facts;
    // Its memory is on a node that it leaves: nobody would be there to give pages.
    facts.asked = mode == "postcopy" ? "auto" : mode;
    TRY_ASSIGN(MoveMode chosen, choose_mode(facts));
    TRY(wait_until_all_there(pid));
    if (files_.changed(pid)) return fail("it is about to come home: a file that it maps was changed");
    auto old = p.session;  // held: a child that is still there may end meanwhile, and with it the last use of it
    TRY(old->renew_stream());
    TRY_ASSIGN(auto session, open_session(pid, to));
    EarlyHop early;
    if (chosen != MoveMode::Stop || facts.asked == "auto") TRY(hop_early(pid, *old, *session, early));
    if (process_of(pid) == nullptr) return is_no_more(pid);
    files_.expect_flush(pid);
    stands_since_ns_ = monotonic_ns();
    TRY(freeze_guest(p));
    MoveTotals totals{};
    ReadyNote ready{};
    auto image = receive_image(p);
    auto moved = [&]() -> Status {
        if (!image) return std::move(image.error());
        note_cpu_used_at_home(pid, *image);
        image->set_cpu_account(p.cpu_account);
        TRY(describe_home_vdso(p.alive(), *image));
        TRY(check_live_xstate(*image, session->machine()));
        TRY(check_guards(image->guards_size() > 0, session->machine()));
        TRY(files_.wait_flushed(pid, kReadyTimeoutMs));
        std::string bytes = image->SerializeAsString();
        TRY(session->stream().send(make_stream_message(StreamKind::Image, pid.value, {}, std::as_bytes(std::span(bytes)))));
        MemoryRun everything{early.rounds.empty() ? kAllOfIt : kWhatRoundsLeft, 0};
        TRY(old->stream().send(make_stream_message(StreamKind::Need, pid.value, std::span(&everything, 1), {})));
        // What was sent is received in any case: the next move finds the stream empty.
        Status passed_on;
        for (;;) {
            TRY_ASSIGN(auto message, receive_for(pid, *old, kReadyTimeoutMs, {0, true, totals.bytes, 0}));
            TRY_ASSIGN(StreamView view, parse_stream_message(message->bytes()));
            if (view.head.kind == StreamKind::Failed) return fail("node {} gave up", old->node());
            if (passed_on) passed_on = send_when_possible(pid, *session, message->bytes());
            totals.bytes += message->bytes().size();
            if (view.head.kind == StreamKind::End) break;
        }
        TRY(std::move(passed_on));
        TRY_ASSIGN(ready, wait_for_ready(pid, *session, {0, true, totals.bytes, 0}));
        if (process_of(pid) == nullptr) return is_no_more(pid);
        TRY(check_cancelled(pid));
        TRY(session->start(p.server, *events_));
        p.session = session;
        p.running = false;
        p.server->set_channel(pid, session->channel());
        // Signals that the old node had and no handler has run for yet: home's again, and sent on as all are.
        TRY(stop_deputies(p));
        TRY(assist_->requeue_signals(pid.value, *image, p.region().place_for_batches(), *this));
        TRY(end_quiet(p, &*image));
        TRY(settle_pending_signals(p));
        return process_of(pid) == nullptr ? is_no_more(pid) : commit(p, *session);
    }();
    if (!moved) {
        TRY(roll_back_hop(pid, old, moved.error()));
        return std::move(moved.error());
    }
    totals.bytes += early.totals.bytes;
    json answer = summary(pid, to.name, totals, session->stream().counts());
    p.moves++;
    auto dropped = old->send(FrameType::Drop, ProcessHead{pid.value});
    if (!dropped) spdlog::info("node {}: {}", old->node(), dropped.error().message());
    // What was written on the old node is not here, and only that one knows what it was.
    TRY(free_copy(p, *image));
    answer["mode"] = early.rounds.empty() ? "stop" : "precopy";
    answer["rounds"] = early.rounds.size();
    return answer;
}

}  // namespace pmi
