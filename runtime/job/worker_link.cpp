#include "runtime/job/worker_link.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/base/log.h"
#include "runtime/control/members.h"

namespace pmi::job {

using nlohmann::json;

namespace {

constexpr size_t kMaxPacket = size_t{64} * 1024;
constexpr int kChannel = 3;

// The worker is a fork without exec: close-on-exec doesn't keep the supervisor's sockets and clients out of
// it.
[[noreturn]] void be_worker(WorkerSetup setup, int channel, const std::function<void()>& in_worker) {
    ::dup2(channel, kChannel);
    ::syscall(SYS_close_range, kChannel + 1, ~0U, 0);
    in_worker();
    setup.channel = kChannel;
    ::_exit(run_worker(setup));
}

std::string describe_end(int status) {
    if (WIFSIGNALED(status)) return fmt::format("its worker was killed by SIG{}", sigabbrev_np(WTERMSIG(status)));
    return fmt::format("its worker ended with status {}", WEXITSTATUS(status));
}

}  // namespace

Expected<std::unique_ptr<WorkerLink>> WorkerLink::start(control::EventLoop& loop, WorkerSetup setup, Events events) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("socketpair");
    Fd ours(pair[0]), theirs(pair[1]);
    pid_t pid = ::fork();
    if (pid < 0) return fail_errno("fork a worker");
    if (pid == 0) be_worker(std::move(setup), theirs.get(), events.in_worker);
    std::unique_ptr<WorkerLink> link(new WorkerLink(loop, std::move(ours), pid, std::move(events)));
    TRY(link->watch());
    return link;
}

WorkerLink::WorkerLink(control::EventLoop& loop, Fd channel, pid_t pid, Events events)
    : loop_(loop),
      channel_(std::move(channel)),
      pid_(pid),
      pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
      events_(std::move(events)) {}

WorkerLink::~WorkerLink() {
    loop_.forget(channel_.get());
    loop_.forget(pidfd_.get());
}

Status WorkerLink::watch() {
    TRY(loop_.watch(channel_.get(), EPOLLIN, [this](uint32_t events) { on_channel(events); }));
    TRY(loop_.watch(pidfd_.get(), EPOLLIN, [this](uint32_t) { on_exit(); }));
    return {};
}

void WorkerLink::request(json request, OnReply on_reply) {
    uint64_t id = next_id_++;
    request["id"] = id;
    pending_[id] = std::move(on_reply);
    out_.push_back(request.dump(-1, ' ', false, json::error_handler_t::replace));
    write_packets();
}

void WorkerLink::write_packets() {
    while (!out_.empty() && channel_open_) {
        ssize_t n = ::send(channel_.get(), out_.front().data(), out_.front().size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;  // EAGAIN: later; anything else: its end is about to be noticed
        out_.pop_front();
    }
    if (channel_open_) loop_.change(channel_.get(), out_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void WorkerLink::on_channel(uint32_t events) {
    if (events & EPOLLOUT) write_packets();
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_packets();
}

void WorkerLink::read_packets() {
    std::string buffer(kMaxPacket, '\0');
    while (channel_open_) {
        ssize_t n = ::recv(channel_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        // ECONNRESET: it ended without reading our last request. What it had sent before is still there, behind the error.
        if (n < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n > 0) {
            on_packet({buffer.data(), static_cast<size_t>(n)});
            continue;
        }
        channel_open_ = false;  // its exit follows
        loop_.forget(channel_.get());
    }
}

void WorkerLink::on_packet(std::string_view packet) {
    json message = json::parse(packet, nullptr, false);
    if (!message.is_object()) return spdlog::error("worker {}: a packet that makes no sense", pid_);
    spdlog::debug("worker {}: {}", pid_, packet);
    if (message.contains("event")) return events_.on_event(*this, message);
    auto it = pending_.find(static_cast<uint64_t>(control::integer_member(message, "id").value_or(0)));
    if (it == pending_.end()) return spdlog::error("worker {}: a reply to nothing: {}", pid_, packet);
    OnReply on_reply = std::move(it->second);
    pending_.erase(it);
    on_reply(message);
}

void WorkerLink::on_exit() {
    read_packets();
    int status = 0;
    ::waitpid(pid_, &status, 0);
    loop_.forget(pidfd_.get());
    std::string how = describe_end(status);
    auto unanswered = std::move(pending_);
    pending_.clear();
    // What was lost is found before the waiting commands are told; this object is gone then.
    auto on_end = events_.on_end;
    on_end(*this, status == 0 ? "" : how);
    for (auto& [id, on_reply] : unanswered) on_reply({{"ok", false}, {"error", how}});
}

}  // namespace pmi::job
