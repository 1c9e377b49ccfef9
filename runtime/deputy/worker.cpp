#include "runtime/deputy/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "remote/transport/frame_sealer.h"
#include "remote/wire/call_tallies.h"
#include "runtime/base/freed_memory.h"
#include "runtime/base/log.h"
#include "runtime/deputy/worker_loop.h"
#include "runtime/kernel/descriptor_copy.h"
#include "runtime/kernel/line_output.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/ended_leader.h"
#include "runtime/tracee/sleep_clock.h"

namespace pmi {

using nlohmann::json;

int run_worker(const WorkerSetup& setup) {
    Worker worker(setup);
    auto done = worker.run();
    if (done) return 0;
    spdlog::error("worker of job {}: {}", setup.job, done.error().message());
    return 1;
}

namespace {

// A limit that is hard kills this process as it would the program (setrlimit(2)), which is away by then: SIGXCPU comes before.
void warn_before_cpu_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
    limit.rlim_cur = limit.rlim_max - limit.rlim_max / 4;
    (void)::setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace

Status Worker::set_up() {
    ::prctl(PR_SET_NAME, "pmi-worker", 0, 0, 0);
    keep_freed_memory();
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    ::sigaddset(&set, SIGXCPU);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("block SIGCHLD");
    warn_before_cpu_limit();
    children_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!children_.valid()) return fail_errno("signalfd");
    Security security = setup_.insecure ? Security::Insecure : Security::Curve;
    if (!setup_.insecure) {
        TRY_ASSIGN(Keyring ring, Keyring::open(setup_.keys_directory));
        ring_ = std::make_shared<const Keyring>(std::move(ring));
    }
    // While the node is asked.
    can_track_ = std::async([security] {
        if (security == Security::Curve) warm_up_ciphers();
        return DirtyTracking::probe();
    });
    TRY_ASSIGN(transport_, Transport::create(ring_, security));
    TRY_ASSIGN(events_, SessionEvents::create());
    TRY_ASSIGN(clock_watch_, ClockSetWatch::create());
    return {};
}

// It can do nothing for anybody: whoever made it is told why.
Status Worker::refuse(const Error& why) const {
    std::vector<char> packet(65536);
    ssize_t n = 0;
    while ((n = ::recv(setup_.channel, packet.data(), packet.size(), 0)) < 0 && errno == EINTR) {
    }
    if (n <= 0) return {};
    json request = json::parse(packet.data(), packet.data() + n, nullptr, false);
    if (request.is_object()) send({{"id", request.value("id", json(0))}, {"ok", false}, {"error", why.message()}});
    return {};
}

Status Worker::run() {
    if (auto ready = set_up(); !ready) return refuse(ready.error());
    // A worker without a program is of no use, once it had one; nor is one whose supervisor is gone and that has none.
    while (!supervisor_gone_ || !processes_.empty() || !unfinished_.empty()) {
        forgotten_.clear();
        std::array<pollfd, 6> fds{{{supervisor_gone_ ? -1 : setup_.channel, POLLIN, 0},
                                   {children_.get(), POLLIN, 0},
                                   {events_->fd(), POLLIN, 0},
                                   {files_.fd(), POLLIN, 0},
                                   {files_.look_fd(), POLLIN, 0},
                                   {clock_watch_->fd(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), children_changed_ ? 0 : wait_ms()) < 0 && errno != EINTR) return fail_errno("poll");
        TRY(one_event(0));
        check_files();
        TRY(check_clock());
        TRY(settle_copies());
        TRY(check_memory());
        if (cpu_is_short_) bring_all_home("the limit on CPU time (ulimit -t) that pmirun was started with");
        TRY(serve_returns());
        // Whoever asks for more finds that it has ended, and that the program is home.
        if (had_process_ && processes_.empty() && unfinished_.empty()) return {};
        // Some may have been received while a program returned by itself.
        if (fds[0].revents != 0 || !requests_.empty()) TRY(handle_packets());
        if (had_process_ && processes_.empty() && unfinished_.empty()) return {};
    }
    return {};
}

// What the tracer has to see at any time, in the middle of a move too.
Status Worker::one_event(int timeout_ms) {
    std::array<pollfd, 2> fds{{{children_.get(), POLLIN, 0}, {events_->fd(), POLLIN, 0}}};
    bool waits = timeout_ms != 0 && !children_changed_;
    if (waits && ::poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) return fail_errno("poll");
    take_child_signals();
    children_changed_ = false;
    TRY(handle_children());
    TRY(handle_session_events());
    return check_deadlines();
}

Status Worker::handle_session_events() {
    for (auto& event : events_->take()) TRY(handle_session_event(event));
    return {};
}

Status Worker::pump(int timeout_ms, const char* what, const std::function<bool()>& done) {
    int64_t deadline = monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    // What has come meanwhile counts, however late this process is itself.
    for (bool is_late = false; !done();) {
        if (is_late) return fail_code(ETIMEDOUT, "{}", what);
        is_late = monotonic_ns() > deadline;
        TRY(one_event(1));
    }
    return {};
}

Status Worker::handle_packets() {
    for (auto& request : receive_requests()) requests_.push_back(std::move(request));
    while (!requests_.empty()) {
        json next = std::move(requests_.front());
        requests_.pop_front();
        handle_request(next);
    }
    return {};
}

std::vector<json> Worker::receive_requests() {
    std::vector<json> requests;
    std::vector<char> packet(65536);
    for (;;) {
        ssize_t n = ::recv(setup_.channel, packet.data(), packet.size(), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return requests;
        if (n <= 0) {
            supervisor_gone_ = true;
            return requests;
        }
        json request = json::parse(packet.data(), packet.data() + n, nullptr, false);
        if (request.is_object()) requests.push_back(std::move(request));
    }
}

void Worker::send(const json& message) const {
    std::string text = message.dump(-1, ' ', false, json::error_handler_t::replace);
    if (::send(setup_.channel, text.data(), text.size(), MSG_NOSIGNAL) < 0)
        spdlog::warn("tell the job supervisor: errno {}", errno);
}

Expected<json> Worker::perform(const json& request) {
    std::string op = request.value("op", "");
    HomePid pid(request.value("pid", 0));
    if (op == "status") return status_of_all();
    if (op == "migrate") {
        NodeAddress to{request.value("node", ""), request.value("host", ""), request.value("port", uint16_t{0}),
                       request.value("key", "")};
        return migrate(pid, to, request.value("mode", "auto"), request.value("cpu", json()));
    }
    if (op == "home") return bring_home(pid);
    if (op == "cancel") return cancel_move(pid);
    if (op == "released") {
        released_ = pid;
        return json::object();
    }
    if (op == "tallies") return ask_tallies(pid);
    return fail("unknown operation {}", op);
}

void Worker::handle_request(const json& request) {
    constexpr int64_t kInTheWayNs = 5'000'000'000;
    json id = request.value("id", json(0));
    HomePid pid(request.value("pid", 0));
    auto answer = perform(request);
    // A child is in the way that has to come home first: it waits for this worker, its parent for it.
    for (int64_t until = monotonic_ns() + kInTheWayNs; !answer && answer.error().code() == EAGAIN && monotonic_ns() < until;) {
        if (next_to_return() == nullptr || !serve_returns()) break;
        answer = perform(request);
    }
    json reply = answer ? std::move(*answer) : json{{"ok", false}, {"error", answer.error().message()}};
    if (answer) reply["ok"] = true;
    if (unfinished_.has(pid)) reply["unfinished"] = true;
    reply["id"] = id;
    send(reply);
}

namespace {

json pages_of(const PageServer::Counts& counts) {
    return {{"pages", counts.pages}, {"sent", counts.sent}, {"demanded", counts.demanded}};
}

}  // namespace

// One packet has no room for families of hundreds: what does not fit is told before the answer.
json Worker::status_of_all() const {
    constexpr size_t kInPacket = 50;  // of WorkerLink, which takes 64 KiB
    json all = json::array();
    for (const auto& [pid, p] : processes_) {
        auto status = read_status(pid.value);
        json one = {{"pid", pid.value},
                    {"where", p->session == nullptr ? "home" : p->session->node()},
                    {"cut", p->session != nullptr && p->session->is_cut()},
                    {"moves", p->moves},
                    {"calls", p->server->calls_of(pid)},
                    {"returns", p->returns},
                    {"return_reason", p->return_reason},
                    {"memory_kib", status ? status->vm_rss_kib : 0},
                    {"threads", p->threads.size()}};
        if (p->pages) one["post_copy"] = pages_of(p->pages->counts());
        if (all.size() == kInPacket) {
            one["event"] = "counted";
            send(one);
            continue;
        }
        all.push_back(std::move(one));
    }
    return {{"processes", all}};
}

// The job supervisor keeps the sums: they outlive stays, workers and processes.
Status Worker::take_tallies(HomePid pid, std::span<const std::byte> body) {
    constexpr size_t kInPacket = 200;  // of WorkerLink, which takes 64 KiB
    TRY_ASSIGN(CallTallies tallies, CallTallies::decode(body));
    if (DeputyProcess* p = process_of(pid)) p->tallies_told = true;
    auto all = tallies.all();
    for (size_t at = 0; at < all.size(); at += kInPacket) {
        json list = json::array();
        for (size_t i = at; i < std::min(all.size(), at + kInPacket); i++) {
            const CallTally& t = all[i];
            list.push_back(
                {t.nr, t.at_home, t.count, t.failed, t.total_ns, t.slowest_ns, t.travel_ns, t.bytes_to_home, t.bytes_from_home});
        }
        send({{"event", "tallies"}, {"pid", pid.value}, {"tallies", list}});
    }
    return {};
}

// What the node has not told yet comes as events before this ends. A node that is silent has to wait: whoever asks
// gets what is known.
Expected<json> Worker::ask_tallies(HomePid pid) {
    constexpr int kTimeoutMs = 300;
    DeputyProcess* p = process_of(pid);
    if (p == nullptr || !p->running || p->session == nullptr || p->session->is_cut()) return json{{"pid", pid.value}};
    p->tallies_told = false;
    TRY(p->session->send(FrameType::TellTallies, ProcessHead{pid.value}));
    TRY(pump(kTimeoutMs, "the node does not tell what calls have cost", [&] {
        const DeputyProcess* asked = process_of(pid);
        return asked == nullptr || asked->tallies_told;
    }));
    return json{{"pid", pid.value}};
}

Status Worker::handle_session_event(SessionEvent& event) {
    if (event.lost) return session_lost(event.session, *event.lost);
    std::span<const std::byte> body(event.frame.body);
    auto text = [&] { return std::string(reinterpret_cast<const char*>(body.data()), std::min<size_t>(body.size(), 400)); };
    auto type = static_cast<FrameType>(event.frame.type);
    auto is_of = [&](int32_t pid) {  // a process there, and not on another node
        const DeputyProcess* p = process_of(HomePid(pid));
        return p != nullptr && p->session.get() == event.session;
    };
    if (type == FrameType::Cancel) {
        auto head = take_head<CallHead>(body);
        if (!head) return session_lost(event.session, head.error());
        return is_of(head->pid) ? cancel_call(*head) : Status();
    }
    if (type == FrameType::ReturnRequest) {
        auto head = take_head<ReturnHead>(body);
        if (head && is_of(head->pid)) {
            DeputyProcess* p = process_of(HomePid(head->pid));
            p->wants_home = text();
            p->can_wait = false;
            call_home_first(*p, HomePid(head->other));
        }
        return {};
    }
    if (type == FrameType::Tallies) {
        auto head = take_head<ProcessHead>(body);
        auto taken = head ? take_tallies(HomePid(head->pid), body) : std::move(head.error());
        return taken ? Status() : session_lost(event.session, taken.error());
    }
    if (type == FrameType::Patched) {
        auto head = take_head<PatchedHead>(body);
        if (!head) return session_lost(event.session, head.error());
        send({{"event", "patched"}, {"pid", head->pid}, {"patched", head->patched}, {"refused", head->refused}});
        return {};
    }
    if (type == FrameType::MaskTold) {
        auto head = take_head<MaskHead>(body);
        if (!head) return session_lost(event.session, head.error());
        auto done = is_of(head->pid) ? handle_mask(*head) : Status();
        return !done && done.error().code() == ESRCH ? Status() : std::move(done);
    }
    if (type == FrameType::CpuUsed) {
        auto head = take_head<CpuHead>(body);
        if (!head) return session_lost(event.session, head.error());
        DeputyProcess* p = process_of(HomePid(head->pid));
        if (p != nullptr) p->cpu_before_exec = *head;
        return {};
    }
    auto head = take_head<ProcessHead>(body);
    if (!head || !is_of(head->pid)) return {};
    DeputyProcess* p = process_of(HomePid(head->pid));
    switch (type) {
        case FrameType::FreezeAck: p->freeze = DeputyProcess::FreezeAnswer::Acknowledged; return {};
        case FrameType::FreezeFailed:
            p->freeze = DeputyProcess::FreezeAnswer::Failed;
            p->freeze_text = text();
            return {};
        case FrameType::Running:
            p->running = true;
            p->passed_on.clear();
            return {};
        case FrameType::AllThere: p->all_there = true; return {};
        case FrameType::GuestDied: kill_away(*p, text()); return {};
        case FrameType::Fatal: {
            std::span<const std::byte> whole(event.frame.body);
            auto fault = take_head<SignalHead>(whole);
            return fault ? die_of(*p, *fault) : session_lost(event.session, fault.error());
        }
        default: return session_lost(event.session, fail("a frame of unknown type {}", event.frame.type));
    }
}

// The guests there are lost to us, and we can't know what they did last: their deputies are killed, so that there
// is never a second copy, and their parents see it.
Status Worker::session_lost(NodeSession* session, const Error& why) {
    for (auto& [pid, p] : processes_) {
        if (p->session.get() != session || !p->running) continue;
        spdlog::error("process {}: node {} lost: {}", pid.value, session->node(), why.message());
        kill_away(*p, fmt::format("the connection to node {} is lost ({}); the program ran there and is killed", session->node(),
                                  why.message()));
        p->session->break_off();  // it may have been us who understood nothing any more
    }
    return {};
}

void Worker::say_on_stderr(const DeputyProcess& p, const std::string& text) const {
    Fd err = copy_of_fd(thread_with_memory(p.pid.value), STDERR_FILENO);
    write_line(err.get(), fmt::format("pmi: process {}: {}\n", p.pid.value, text));
}

// Its descriptors are gone when it is.
void Worker::kill_away(const DeputyProcess& p, const std::string& why) const {
    Fd err = copy_of_fd(thread_with_memory(p.pid.value), STDERR_FILENO);
    ::kill(p.pid.value, SIGKILL);
    write_line(err.get(), fmt::format("pmi: process {}: {}\n", p.pid.value, why));
}

void Worker::bring_all_home(const char* why) {
    for (auto& [pid, p] : processes_)
        if (p->running && p->wants_home.empty()) p->wants_home = why, p->can_wait = true;
}

// Programs whose node asked for their return (a call that can't be forwarded), or that a signal did. A program that is
// stopped waits until it is continued.
DeputyProcess* Worker::next_to_return() {
    for (auto& [pid, p] : processes_)
        if (is_to_return(*p) && p->try_return_at_ns <= monotonic_ns()) return p.get();
    return nullptr;
}

// ptrace and process_vm_readv: what they look into is on the node too, and home's half is neither the program nor free to be
// traced. It comes although it is stopped, for a tracer may have waited for that.
void Worker::call_home_first(DeputyProcess& p, HomePid thread) {
    DeputyProcess* other = process_of_thread(thread);
    bool is_none = other == nullptr || other == &p || other->looks_into == p.pid;
    p.looks_into = is_none ? HomePid(0) : other->pid;
    if (is_none || !other->wants_home.empty()) return;
    other->wants_home = fmt::format("{} of process {}", p.wants_home, p.pid.value);
    other->can_wait = true;
}

bool Worker::is_to_return(const DeputyProcess& p) const {
    auto looks_into_it = [&](const auto& entry) { return entry.second->looks_into == p.pid; };
    if (p.wants_home.empty() || !p.running || p.looks_into.value != 0) return false;
    return !p.job_stopped || std::any_of(processes_.begin(), processes_.end(), looks_into_it);
}

bool Worker::another_returns(const DeputyProcess& p) const {
    return std::any_of(processes_.begin(), processes_.end(), [&](const auto& entry) {
        const DeputyProcess& other = *entry.second;
        return &other != &p && is_to_return(other);
    });
}

int Worker::wait_ms() const {
    int64_t next = std::min(unfinished_.next_deadline_ns(), files_.next_look_ns());
    for (const auto& [pid, p] : processes_) {
        if (p->keeps_copy && p->running) next = std::min(next, memory_check_at_ns_);
        if (is_to_return(*p)) next = std::min(next, p->try_return_at_ns);
        if (p->job_stopped) continue;
        for (const auto& due : p->server->deadlines_of(pid)) next = std::min(next, due.at_ns);
    }
    if (next == INT64_MAX) return -1;
    return static_cast<int>(std::max<int64_t>(0, (next - monotonic_ns()) / 1'000'000 + 1));
}

// Calls that wait longer than their socket's timeout since they were interrupted. A thread that has not got to its call yet is
// asked again.
Status Worker::check_deadlines() {
    int64_t now = monotonic_ns();
    TRY(unfinished_.check_deadlines(now));
    for (auto& [pid, p] : processes_) {
        if (p->job_stopped) continue;
        for (const auto& due : p->server->deadlines_of(pid)) {
            auto progress = p->server->in_progress(due.tid);
            auto it = p->threads.find(due.tid);
            if (due.at_ns > now || !progress || it == p->threads.end()) continue;
            DeputyThread& t = it->second;
            if (t.stopped || t.quiet || t.wants_quiet) continue;
            t.time_is_up = progress->head.id;
            auto sent = interrupt(due.tid.value);
            if (!sent && sent.error().code() != ESRCH) return sent;
        }
    }
    return {};
}

Status Worker::serve_returns() {
    while (DeputyProcess* p = next_to_return()) {
        HomePid pid = p->pid;
        std::string why = std::exchange(p->wants_home, "");
        p->return_reason = why;
        p->returns++;
        json event{{"event", "moved"},
                   {"pid", pid.value},
                   {"where", "home"},
                   {"why", why},
                   {"moves", p->moves},
                   {"returns", p->returns},
                   {"calls", p->server->calls_of(pid)}};
        auto done = bring_home(pid);
        if (done) {
            event["cpu"] = (*done)["cpu"];
            if (unfinished_.has(pid)) event["unfinished"] = true;
            send(event);
            continue;
        }
        spdlog::warn("process {} has to come home ({}) and can't yet: {}", pid.value, why, done.error().message());
        if (DeputyProcess* still = process_of(pid)) return_later(*still, why, done.error());
    }
    return {};
}

// Whatever is in the way now (a child of it is just being started) will not be for ever. A signal is only a wish.
void Worker::return_later(DeputyProcess& p, const std::string& why, const Error& error) {
    constexpr int64_t kRetryNs = 100'000'000, kGiveUpNs = 120'000'000'000;
    p.returns--;
    if (why == kSteeredHome) return;
    if (p.wants_home.empty()) p.wants_home = why;
    int64_t now = monotonic_ns();
    if (p.try_return_at_ns == 0) p.return_failing_since_ns = now;
    p.try_return_at_ns = now + kRetryNs;
    if (p.can_wait || now - p.return_failing_since_ns < kGiveUpNs) return;
    // It can neither go on there nor come back: its parent has to see it end.
    kill_away(p, fmt::format("it has to come home for {} and can't: {}", why, error.message()));
}

Status Worker::check_clock() {
    TRY_ASSIGN(bool was_set, clock_watch_->take());
    if (!was_set) return {};
    std::set<NodeSession*> sessions;
    for (auto& [pid, p] : processes_)
        if (p->running) sessions.insert(p->session.get());
    // A session that is lost is heard of otherwise.
    for (auto* session : sessions) (void)session->send(FrameType::Clock, read_wall_clock(0));
    return {};
}

// At home the store itself would have met the signal; here it is known when the store gets home.
void Worker::tell_lost_stores() {
    for (const auto& lost : files_.take_lost()) {
        const DeputyProcess* p = process_of(lost.pid);
        if (p == nullptr) continue;
        say_on_stderr(*p, lost.why);
        ::kill(lost.pid.value, SIGBUS);
    }
}

// What changes while the program makes no calls.
void Worker::check_files() {
    tell_lost_stores();
    files_.look_for_sharers();
    for (auto& [pid, p] : processes_) {
        if (!files_.changed(pid) || !p->running || p->job_stopped || !p->wants_home.empty()) continue;
        p->wants_home = "a file that it maps and that was changed";
        p->can_wait = true;
    }
}

// The program is being killed; what it has stored in files is on the node.
void Worker::take_last_stores(DeputyProcess& p) {
    constexpr int kFlushTimeoutMs = 2000;
    if (p.ending || !p.running || !files_.has_stores(p.pid)) return;
    p.ending = true;
    files_.expect_flush(p.pid);
    auto flushed = [&]() -> Status {
        TRY(p.session->send(FrameType::Flush, ProcessHead{p.pid.value}));
        return files_.wait_flushed(p.pid, kFlushTimeoutMs);
    }();
    if (!flushed)
        spdlog::error("process {} is killed, and its last stores in files are lost: {}", p.pid.value, flushed.error().message());
}

void Worker::forget(HomePid pid) {
    files_.forget(pid);
    auto it = processes_.find(pid);
    if (it == processes_.end()) return;
    for (auto& [tid, t] : it->second->threads) it->second->server->remove_thread(tid);
    it->second->server->set_channel(pid, nullptr);
    forgotten_.push_back(std::move(it->second));
    processes_.erase(it);
    for (auto& [other_pid, other] : processes_)
        if (other->looks_into == pid) other->looks_into = HomePid(0);
}

DeputyProcess* Worker::process_of(HomePid pid) {
    auto it = processes_.find(pid);
    return it == processes_.end() ? nullptr : it->second.get();
}
DeputyProcess* Worker::process_of_thread(HomePid tid) {
    for (auto& [pid, p] : processes_)
        if (p->threads.contains(tid)) return p.get();
    return nullptr;
}

// For injections and freezes: the named thread only; others' stops wait for their turn in the kernel. An end is reported
// once: handle_children() has to hear of it too.
Expected<int> Worker::wait(pid_t tid, int timeout_ms) {
    TRY_ASSIGN(int status, wait_by_signal(tid, timeout_ms));
    if (classify(status).kind == Stop::Kind::Exited) ended_.emplace_back(tid, status);
    return status;
}

// waitpid(2) has no time limit, and naps between two looks would count as time for which the program stands still.
Expected<int> Worker::wait_by_signal(pid_t tid, int timeout_ms) {
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
    for (EndedLeader ended;;) {
        int status = 0;
        pid_t got = ::waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid) return status;
        if (got < 0 && errno != EINTR) return fail_errno("wait for thread {}", tid);
        TRY(ended.check(tid));
        int64_t left = deadline - monotonic_ns();
        if (left <= 0) return fail_code(ETIMEDOUT, "thread {} does not stop", tid);
        pollfd child{children_.get(), POLLIN, 0};
        int ms = static_cast<int>(std::min<int64_t>(left / 1'000'000 + 1, EndedLeader::kLookEveryMs));
        if (::poll(&child, 1, ms) < 0 && errno != EINTR) return fail_errno("poll");
        if (child.revents != 0) take_child_signals();
    }
}

void Worker::take_child_signals() {
    signalfd_siginfo info{};
    while (::read(children_.get(), &info, sizeof info) > 0) cpu_is_short_ |= info.ssi_signo == SIGXCPU;
    children_changed_ = true;  // whoever it was for
}

}  // namespace pmi
