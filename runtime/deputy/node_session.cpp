#include "runtime/deputy/node_session.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cstring>
#include <future>
#include <utility>

#include "remote/pmid/node_client.h"
#include "remote/transport/deadline.h"
#include "remote/transport/tcp_stream.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/phases.h"
#include "runtime/base/thread.h"
#include "runtime/deputy/home_clock.h"

namespace pmi {
namespace {

constexpr int kAnswerTimeoutMs = 4500;  // for connecting and the clocks together; then for each later step
constexpr int64_t kCloseNs = 100'000;   // between the end of a call and the next one, being woken up for it included

Expected<ChannelKeys> keys_of(const wire::Place& place) {
    ChannelKeys keys;
    auto copy = [](const std::string& from, auto& to) {
        if (from.size() != to.size()) return false;
        std::memcpy(to.data(), from.data(), to.size());
        return true;
    };
    if (!copy(place.key_to_node(), keys.to_node) || !copy(place.key_to_home(), keys.to_home) || !copy(place.token(), keys.token))
        return fail("keys of a wrong length");
    return keys;
}

// Home's clocks minus the node's, from the quickest of a few round trips. The node's answer is older than our
// reading of our own clock: the offset is too large by at most that trip, so that a sleep never looks too short to
// the program. Coming home takes longer than the trip, so that no clock goes back then.
Status measure_clocks(NodeClient& client, wire::Host& host, const Deadline& deadline) {
    constexpr int kPings = 4;
    int64_t best = INT64_MAX;
    for (int i = 0; i < kPings; i++) {
        int64_t sent = clock_ns(CLOCK_MONOTONIC);
        TRY_ASSIGN(NodeClient::Clocks node, client.clocks(deadline.left_ms()));
        int64_t received = clock_ns(CLOCK_MONOTONIC), boot = clock_ns(CLOCK_BOOTTIME);
        if (received - sent >= best) continue;
        best = received - sent;
        host.set_monotonic_offset_ns(received - node.monotonic_ns);
        host.set_boottime_offset_ns(boot - node.boottime_ns);
    }
    *host.mutable_clock() = read_home_clock();
    return {};
}

// In the receiver's own turn, so that they are in the file before the call that comes behind them.
Status take_changes(std::span<const std::byte> body, WatchedFiles& files, SessionEvents& events) {
    TRY_ASSIGN(auto head, take_head<FileChangesHead>(body));
    if (body.size() / sizeof(FileRun) < head.runs)
        return fail("a frame of {} bytes with {} runs of a file", body.size(), head.runs);
    std::vector<FileRun> runs(head.runs);
    auto bytes = body.first(head.runs * sizeof(FileRun));
    if (!bytes.empty()) std::memcpy(runs.data(), bytes.data(), bytes.size());
    auto written = files.write_back(head.number, runs, body.subspan(bytes.size()));
    if (!written) {
        spdlog::error("what a program has stored in a file is lost: {}", written.error().message());
        events.wake();
    }
    return {};
}

}  // namespace

Expected<std::unique_ptr<SessionEvents>> SessionEvents::create() {
    Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.valid()) return fail_errno("eventfd");
    return std::unique_ptr<SessionEvents>(new SessionEvents(std::move(wake)));
}

void SessionEvents::push(SessionEvent event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    wake();
}

void SessionEvents::wake() {
    uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

std::vector<SessionEvent> SessionEvents::take() {
    std::lock_guard lock(mutex_);
    uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
    std::vector<SessionEvent> all(std::make_move_iterator(events_.begin()), std::make_move_iterator(events_.end()));
    events_.clear();
    return all;
}

Expected<std::unique_ptr<NodeSession>> NodeSession::open(Transport& transport, const Keyring* ring, Security security,
                                                         const NodeAddress& to, wire::Host host) {
    Deadline deadline(kAnswerTimeoutMs);
    Phases opened;
    TRY_ASSIGN(auto client, NodeClient::connect(transport, ring, to, deadline.left_ms()));
    opened.mark("connect");
    TRY(measure_clocks(*client, host, deadline));
    opened.mark("clocks");
    TRY_ASSIGN(wire::Place place, client->host(host));
    opened.mark("place");
    TRY_ASSIGN(ChannelKeys keys, keys_of(place));
    int resume_ms = static_cast<int>(host.reconnect_seconds()) * 1000;
    // Both at a time.
    auto stream = std::async([&] {
        return pmi::connect_stream(to.host, static_cast<uint16_t>(place.stream_port()), stream_keys(keys), security,
                                   kAnswerTimeoutMs);
    });
    TRY_ASSIGN(auto channel, CallChannel::connect(to.host, static_cast<uint16_t>(place.call_port()), keys, security,
                                                  kAnswerTimeoutMs, resume_ms));
    std::unique_ptr<NodeSession> session(new NodeSession(to, place.machine(), keys, security, std::move(channel), resume_ms));
    TRY_ASSIGN(session->stream_, stream.get());
    opened.mark("connections");
    spdlog::debug("session on node {}: {}", to.name, opened.text());
    PageKey page_key{};
    if (place.page_key().size() == page_key.size()) {
        std::memcpy(page_key.data(), place.page_key().data(), page_key.size());
        session->finder_.emplace(page_key, place.keeps_pages());
    }
    return session;
}

Status NodeSession::connect_stream(uint16_t port) {
    TRY_ASSIGN(stream_, pmi::connect_stream(address_.host, port, stream_keys_, security_, kAnswerTimeoutMs));
    return {};
}

Expected<PageLines> NodeSession::connect_pages(const LaterPorts& ports) const {
    PageLines lines;
    TRY_ASSIGN(lines.demand,
               CallChannel::connect(address_.host, ports.demand, page_keys_, security_, kAnswerTimeoutMs, resume_ms_));
    TRY_ASSIGN(lines.push, pmi::connect_stream(address_.host, ports.push, page_keys_, security_, kAnswerTimeoutMs));
    return lines;
}

// A cut ends the stream's connection too, and what was on its way in it: that move has failed. The next one gets another.
Status NodeSession::renew_stream() {
    if (channel_->is_cut()) return fail("the connection to node {} is cut; it is tried to get it back", node());
    if (stream_ && stream_->is_alive()) return {};
    {
        std::lock_guard lock(port_mutex_);
        stream_port_.reset();
    }
    TRY(send(FrameType::NewStream, ProcessHead{0}));
    std::unique_lock lock(port_mutex_);
    bool told = port_told_.wait_for(lock, std::chrono::milliseconds(kAnswerTimeoutMs), [&] { return stream_port_.has_value(); });
    if (!told) return fail_code(ETIMEDOUT, "node {} makes no new stream", node());
    if (*stream_port_ == 0) return fail("node {} can't make a new stream", node());
    return connect_stream(*stream_port_);
}

Status NodeSession::take_stream_port(std::span<const std::byte> body) {
    TRY_ASSIGN(auto head, take_head<PortHead>(body));
    if (head.port > UINT16_MAX) return fail("a stream at port {}", head.port);
    std::lock_guard lock(port_mutex_);
    stream_port_ = static_cast<uint16_t>(head.port);
    port_told_.notify_all();
    return {};
}

// What home has to say at the end it says in the call channel.
NodeSession::~NodeSession() {
    if (stream_) stream_->abandon();
    channel_->shut_down();
    if (receiver_.joinable()) receiver_.join();
}

Status NodeSession::start(std::shared_ptr<CallServer> server, SessionEvents& events) {
    TRY_ASSIGN(receiver_, start_thread([this, server = std::move(server), &events] { receive_frames(*server, events); }));
    return {};
}

// A call that comes as soon after the last one as that did is waited for awake, on a CPU that is anybody's who wants it: to be
// woken up takes about as long as all else that is done for a call.
Expected<Frame> NodeSession::next_frame() {
    int64_t begun = std::exchange(begun_ns_, 0);
    if (begun == 0) return channel_->receive();
    while (calls_are_close_ && monotonic_ns() - begun < kCloseNs) {
        TRY_ASSIGN(auto frame, channel_->try_receive());
        if (frame) return std::move(*frame);
        ::sched_yield();
    }
    auto frame = channel_->receive();
    calls_are_close_ = monotonic_ns() - begun < kCloseNs;
    return frame;
}

// Sends nothing that could wait: a node that is sending a large frame takes none, and is waiting for this thread.
void NodeSession::receive_frames(CallServer& server, SessionEvents& events) {
    auto lose = [&](Error why) {
        SessionEvent e;
        e.session = this;
        e.lost = std::move(why);
        is_lost_ = true;
        events.push(std::move(e));
    };
    for (;;) {
        auto frame = next_frame();
        if (!frame) return lose(std::move(frame.error()));
        if (frame->type == static_cast<uint8_t>(FrameType::FileChanges)) {
            if (auto taken = take_changes(frame->body, server.files(), events); !taken) return lose(std::move(taken.error()));
            continue;
        }
        if (frame->type == static_cast<uint8_t>(FrameType::AskClock)) {
            std::span<const std::byte> body(frame->body);
            auto question = take_head<ClockHead>(body);
            if (!question) return lose(std::move(question.error()));
            server.tell_clock(channel_, *question);
            continue;
        }
        if (frame->type == static_cast<uint8_t>(FrameType::MasksLate)) {
            masks_late_ = true;
            continue;
        }
        if (frame->type == static_cast<uint8_t>(FrameType::StreamAt)) {
            if (auto taken = take_stream_port(frame->body); !taken) return lose(std::move(taken.error()));
            continue;
        }
        if (frame->type == static_cast<uint8_t>(FrameType::Flushed)) {
            std::span<const std::byte> body(frame->body);
            auto head = take_head<ProcessHead>(body);
            if (!head) return lose(std::move(head.error()));
            server.files().note_flushed(HomePid(head->pid));
            continue;
        }
        if (frame->type != static_cast<uint8_t>(FrameType::Call)) {
            SessionEvent e;
            e.session = this;
            e.frame = std::move(*frame);
            events.push(std::move(e));
            continue;
        }
        std::span<const std::byte> body(frame->body);
        auto head = take_head<CallHead>(body);
        if (!head) return lose(std::move(head.error()));
        auto call = decode_call(body);
        if (!call) return lose(std::move(call.error()));
        call->kept.push_back(std::move(frame->body));  // where its pieces are
        auto watch = channel_->has_read_ahead() ? CallServer::Watch::No : CallServer::Watch::Yes;
        if (auto begun = server.begin(*head, std::move(*call), watch); !begun) return lose(std::move(begun.error()));
        begun_ns_ = monotonic_ns();
        if (head->again != 0) events.wake();  // it may have a deadline
    }
}

}  // namespace pmi
