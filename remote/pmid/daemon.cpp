#include "remote/pmid/daemon.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>

#include "remote/wire/machine.h"
#include "remote/wire/printable.h"
#include "runtime/base/log.h"

namespace pmi {

namespace {

constexpr int kRequestsAtATime = 64;  // then signals and reports get their turn
constexpr int kEndTimeoutMs = 5000;   // what sessions have to end by themselves
constexpr int kSpareAfterArrivalMs = 50;
constexpr size_t kMostWaiting = 256;  // requests for a place
constexpr int kMostWaitMs = 4000;     // for one: less than who has asked waits
constexpr int kSpareAgainMs = 5000;   // where none can be had, or it has died

Status watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
    return {};
}

// Whom a limit is for: the key, or without keys the address.
std::string peer_of(const RequestServer::Incoming& incoming, bool insecure) {
    return insecure ? incoming.peer_address : incoming.user_key;
}

}  // namespace

Expected<std::unique_ptr<Daemon>> Daemon::start(PmidOptions options, std::shared_ptr<const Keyring> ring) {
    std::unique_ptr<Daemon> daemon(new Daemon());
    daemon->options_ = std::move(options);
    // Without keys nobody can be told from anybody else.
    daemon->shelves_.emplace(daemon->options_.insecure ? 0 : daemon->options_.keep_pages);
    TRY(daemon->prepare_events());  // signals are blocked before libzmq starts threads
    TRY_ASSIGN(daemon->machine_, describe_machine(daemon->options_.name));
    daemon->set_up_cgroups();
    Security security = daemon->options_.insecure ? Security::Insecure : Security::Curve;
    TRY_ASSIGN(daemon->transport_, Transport::create(std::move(ring), security));
    const HostPort& listen = daemon->options_.listen;
    TRY_ASSIGN(daemon->server_, RequestServer::listen(*daemon->transport_, listen.host, listen.port));
    TRY(watch(daemon->epoll_.get(), daemon->server_->poll_fd()));
    return daemon;
}

void Daemon::set_up_cgroups() {
    cgroups_ = GuestCgroups::create(options_.limits.guest);
    machine_.set_guest_cgroups(cgroups_->shown());
    machine_.set_no_guest_cgroups(cgroups_->why_not());
    if (!cgroups_->shown().empty()) spdlog::info("each guest is held to its limits by cgroups: {}", cgroups_->shown());
    if (!cgroups_->why_not().empty()) spdlog::warn("guests are NOT held to their limits: {}", cgroups_->why_not());
}

Status Daemon::prepare_events() {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    ::sigemptyset(&set);
    for (int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&set, signal);
    struct sigaction hangup {};
    ::sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) ::sigaddset(&set, SIGHUP);  // nohup(1) means it
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("sigprocmask");
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) return fail_errno("signalfd");
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.valid()) return fail_errno("epoll_create1");
    return watch(epoll_.get(), signals_.get());
}

int Daemon::timeout_ms() const {
    int least = ending_ ? end_.left_ms() : -1;
    if (wants_spare()) least = spare_due_.left_ms();
    for (const auto& one : waiting_) least = least < 0 ? one.deadline.left_ms() : std::min(least, one.deadline.left_ms());
    for (auto& [pid, session] : sessions_) {
        if (!session.reporting()) continue;
        int left = session.report_deadline().left_ms();
        least = least < 0 ? left : std::min(least, left);
    }
    return least;
}

Status Daemon::run() {
    while (!ending_ || !sessions_.empty()) {
        epoll_event events[32];
        int count = ::epoll_wait(epoll_.get(), events, 32, timeout_ms());
        if (count < 0 && errno != EINTR) return fail_errno("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == signals_.get()) handle_signals();
            if (fd == server_->poll_fd()) handle_requests();
            // Looked up by its number: an earlier event of this round may have closed it.
            for (auto& [pid, session] : sessions_)
                if (session.reporting() && session.report_fd() == fd) handle_report(session);
        }
        expire_reports();
        admit_waiting();
        keep_spare();
        if (ending_ && end_.over()) {
            for (auto& [pid, session] : sessions_) session.kill_group(SIGKILL);
            end_ = Deadline(kEndTimeoutMs);
        }
    }
    return {};
}

void Daemon::handle_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD) begin_end(::strsignal(static_cast<int>(info.ssi_signo)));
    reap();  // one SIGCHLD may stand for several children
}

void Daemon::begin_end(const char* why) {
    if (ending_) {  // asked twice: at once
        for (auto& [pid, session] : sessions_) session.kill_group(SIGKILL);
        return;
    }
    spdlog::info("ending: {}; {} guests", why, use_of("").guests);
    ending_ = true;
    end_ = Deadline(kEndTimeoutMs);
    for (auto& [pid, session] : sessions_) session.kill_group(SIGTERM);
}

void Daemon::handle_requests() {
    for (int i = 0; i < kRequestsAtATime; i++) {
        auto incoming = server_->try_receive();
        if (!incoming) {
            spdlog::error("{}", incoming.error().message());
            return;
        }
        if (!*incoming) return;
        handle_request(**incoming);
    }
}

NodeUse Daemon::use_of(const std::string& peer) const {
    NodeUse use;
    for (auto& [pid, session] : sessions_) {
        if (session.is_spare()) continue;
        use.guests++;
        use.memory += session.memory;
        if (!session.reporting()) continue;
        use.pending++;
        if (session.peer == peer) use.pending_of_peer++;
    }
    return use;
}

void Daemon::send_reply(const std::string& client, const wire::Reply& reply) {
    auto sent = server_->reply(client, reply.SerializeAsString());
    if (!sent) spdlog::warn("{}", sent.error().message());
}

void Daemon::handle_request(const RequestServer::Incoming& incoming) {
    Parsed parsed = parse_request(incoming.bytes);
    if (!parsed.error.empty()) {
        spdlog::warn("{} ({}): {}", incoming.peer_address, incoming.user_key, parsed.error);
        send_reply(incoming.client, error_reply(parsed.request.id(), parsed.error));
        return;
    }
    if (parsed.request.has_host()) {
        auto started = start_session(incoming, parsed.request);
        if (started) return;
        if (started.error().code() != EAGAIN || waiting_.size() >= kMostWaiting)
            return refuse(incoming, parsed.request, started.error());
        waiting_.push_back({incoming, std::move(parsed.request), Deadline(kMostWaitMs)});
        return;
    }
    refresh_machine(&machine_);
    send_reply(incoming.client, answer(parsed.request, machine_for_others(machine_, options_.limits, use_of(""))));
}

void Daemon::refuse(const RequestServer::Incoming& incoming, const wire::Request& request, const Error& why) {
    spdlog::warn("{} ({}): refused \"{}\": {}", incoming.peer_address, incoming.user_key, printable(request.host().program()),
                 why.message());
    send_reply(incoming.client, error_reply(request.id(), why.message()));
}

// As others have arrived. Whoever waits for long has his answer, or has given up.
void Daemon::admit_waiting() {
    for (auto one = waiting_.begin(); one != waiting_.end();) {
        if (is_busy(use_of(peer_of(one->incoming, options_.insecure))) && !one->deadline.over()) {
            ++one;
            continue;
        }
        auto started = start_session(one->incoming, one->request);
        if (!started) refuse(one->incoming, one->request, started.error());
        one = waiting_.erase(one);
    }
}

Status Daemon::start_session(const RequestServer::Incoming& incoming, const wire::Request& request) {
    if (ending_) return fail("node {} is ending", options_.name);
    std::string peer = peer_of(incoming, options_.insecure);
    NodeUse use = use_of(peer);
    refresh_machine(&machine_);
    const wire::Host& host = request.host();
    TRY(admit(host, machine_for_others(machine_, options_.limits, use), use));
    Session* session = spare();
    if (session == nullptr) {
        TRY_ASSIGN(session, add_session());
    }
    spare_due_ = Deadline(kSpareAfterArrivalMs);
    session->client = incoming.client;
    session->peer = peer;
    session->program = printable(host.program());
    session->request_id = request.id();
    session->memory = host.memory_needed();
    spdlog::info("session {}: \"{}\" of {} ({})", session->pid(), session->program, printable(host.home_hostname()),
                 incoming.peer_address);
    // One that has died is reaped later, and found to have been reporting.
    if (auto given = session->give_work(incoming.bytes, shelves_->of(peer)); !given) session->kill_group(SIGKILL);
    return watch(epoll_.get(), session->report_fd());
}

Session* Daemon::spare() {
    auto it = std::find_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s.second.is_spare(); });
    return it == sessions_.end() ? nullptr : &it->second;
}

Expected<Session*> Daemon::add_session() {
    SessionSetup setup;
    setup.guest.node_name = options_.name;
    setup.guest.listen_address = options_.listen.host;
    setup.guest.insecure = options_.insecure;
    setup.guest.patching = options_.patching;
    setup.guest.own_files = options_.own_files;
    setup.log_file = options_.log_file;
    setup.log_level = options_.log_level;
    TRY_ASSIGN(setup.guest.cgroups, cgroups_->make());
    setup.guest.memory_max = options_.limits.guest.memory_max;
    GuestGroup group = setup.guest.cgroups;
    auto spawned = Session::spawn(std::move(setup));
    if (!spawned) {
        cgroups_->remove(std::move(group));
        return std::move(spawned.error());
    }
    spawned->group = std::move(group);
    pid_t pid = spawned->pid();
    return &sessions_.emplace(pid, std::move(*spawned)).first->second;
}

bool Daemon::wants_spare() const {
    return options_.spare && !ending_ &&
           std::none_of(sessions_.begin(), sessions_.end(), [](const auto& s) { return s.second.is_spare(); });
}

// A session that has started, and made its jail, before anybody asks for it. Not while somebody arrives: that would take longer.
void Daemon::keep_spare() {
    if (!wants_spare() || !spare_due_.over()) return;
    spare_due_ = Deadline(kSpareAgainMs);
    if (auto made = add_session(); !made) spdlog::info("no spare session: {}", made.error().message());
}

void Daemon::handle_report(Session& session) {
    auto report = session.read_report();
    if (report && !report->has_value()) return;
    if (report)
        finish_report(session, **report);
    else
        finish_report(session, error_reply(session.request_id, report.error().message()));
}

// One report a session; after an error there is nothing that it could be for.
void Daemon::finish_report(Session& session, const wire::Reply& reply) {
    wire::Reply forwarded = reply;
    forwarded.set_id(session.request_id);
    session.close_report();
    bool failed = !forwarded.error().empty();
    if (!failed) *forwarded.mutable_place()->mutable_machine() = machine_for_others(machine_, options_.limits, use_of(""));
    if (failed) spdlog::warn("session {}: {}", session.pid(), printable(forwarded.error(), 1000));
    auto sent = server_->reply(session.client, forwarded.SerializeAsString());
    if (!sent) spdlog::warn("session {}: {}", session.pid(), sent.error().message());
    if (failed || !sent) session.kill_group(SIGKILL);
}

void Daemon::expire_reports() {
    for (auto& [pid, session] : sessions_)
        if (session.reporting() && session.report_deadline().over())
            finish_report(
                session, error_reply(session.request_id, fmt::format("the guest session wasn't ready in {} ms", kReportTimeoutMs)));
}

void Daemon::reap() {
    for (auto entry = sessions_.begin(); entry != sessions_.end();) {
        auto& [pid, session] = *entry;
        siginfo_t dead{};
        if (::waitid(P_PID, static_cast<id_t>(pid), &dead, WEXITED | WNOHANG | WNOWAIT) != 0 || dead.si_pid != pid) {
            ++entry;
            continue;
        }
        session.kill_group(SIGKILL);  // what it left in its group, whose number is ours until it is reaped
        int status = 0;
        ::waitpid(pid, &status, 0);
        if (session.reporting()) handle_report(session);  // it may have said why
        if (session.reporting())
            finish_report(session, error_reply(session.request_id, "the guest session " + show_wait_status(status)));
        if (session.is_spare())
            spdlog::info("spare session {}: {}", pid, show_wait_status(status));
        else
            spdlog::info("session {}: \"{}\" {}", pid, session.program, show_wait_status(status));
        cgroups_->remove(std::move(session.group));
        entry = sessions_.erase(entry);
    }
}

}  // namespace pmi
