#include "remote/transport/call_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cstring>
#include <list>

#include "remote/transport/call_handshake.h"
#include "remote/transport/deadline.h"
#include "remote/transport/frame_buffer.h"
#include "remote/transport/tcp.h"

namespace pmi {

namespace {

constexpr size_t kMaxPending = 16;  // connections that have not said hello yet
constexpr size_t kKeptSendBuffer = 1u << 20;

// Reads what is still missing of `buffer`; false: more has to come. Error: the connection is of no use.
Expected<bool> read_more(int fd, unsigned char* buffer, size_t size, size_t* have) {
    ssize_t n = ::recv(fd, buffer + *have, size - *have, MSG_DONTWAIT);
    if (n == 0) return fail_code(ECONNRESET, "call channel: handshake");
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n < 0) return fail_errno("call channel: handshake");
    *have += static_cast<size_t>(n);
    return *have == size;
}

Status send_now(int fd, const void* data, size_t size) {
    // At the start of a connection so few bytes fit into the send buffer.
    ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(size)) return fail_errno("call channel: handshake");
    return {};
}

int poll_until(std::vector<pollfd>& items, const Deadline& deadline) {
    int ready = ::poll(items.data(), items.size(), deadline.left_ms());
    return ready < 0 && errno == EINTR ? 0 : ready;
}

// Writes all of it, in one call unless the peer is slow.
Status send_vector(int fd, iovec* parts, size_t count) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    while (message.msg_iovlen > 0) {
        ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("call channel: send");
        auto left = static_cast<size_t>(n);
        while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
            left -= message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen == 0) break;
        message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + left;
        message.msg_iov->iov_len -= left;
    }
    return {};
}

iovec part(const void* data, size_t size) {
    return {const_cast<void*>(data), size};
}

}  // namespace

struct CallChannel::State {
    State(Fd socket, const SessionKeys& keys, Side side)
        : fd(std::move(socket)),
          cipher(keys.cipher),
          sealer(keys.cipher, side == Side::Home ? keys.to_node : keys.to_home),
          in(FrameSealer(keys.cipher, side == Side::Home ? keys.to_home : keys.to_node)) {}

    Status send_clear(uint8_t type, std::span<const std::byte> head, std::span<const std::byte> tail);
    Status send_sealed(uint8_t type, std::span<const std::byte> head, std::span<const std::byte> tail);
    Expected<std::optional<Frame>> receive(int flags);
    void shut_down() {
        broken = true;
        ::shutdown(fd.get(), SHUT_RDWR);
    }

    Fd fd;
    Cipher cipher;
    std::atomic<bool> broken{false};
    std::mutex send_lock;
    FrameSealer sealer;               // under send_lock
    std::vector<std::byte> outgoing;  // under send_lock
    FrameBuffer in;                   // the receiving thread's
};

Status CallChannel::State::send_clear(uint8_t type, std::span<const std::byte> head,
                                      std::span<const std::byte> tail) {
    auto length = static_cast<uint32_t>(1 + head.size() + tail.size());
    unsigned char start[5];
    std::memcpy(start, &length, 4);
    start[4] = type;
    iovec parts[3] = {part(start, 5), part(head.data(), head.size()), part(tail.data(), tail.size())};
    return send_vector(fd.get(), parts, 3);
}

Status CallChannel::State::send_sealed(uint8_t type, std::span<const std::byte> head,
                                       std::span<const std::byte> tail) {
    size_t text = 1 + head.size() + tail.size();
    auto length = static_cast<uint32_t>(text + kSealOverhead);
    outgoing.resize(4 + length);
    std::memcpy(outgoing.data(), &length, 4);
    outgoing[4] = std::byte{type};
    if (!head.empty()) std::memcpy(outgoing.data() + 5, head.data(), head.size());
    if (!tail.empty()) std::memcpy(outgoing.data() + 5 + head.size(), tail.data(), tail.size());
    std::span<std::byte> all(outgoing);
    sealer.seal(all.first(4), all.subspan(4, text), std::span<std::byte, 16>(outgoing.data() + 4 + text, 16));
    iovec whole = part(outgoing.data(), outgoing.size());
    auto sent = send_vector(fd.get(), &whole, 1);
    if (outgoing.size() > kKeptSendBuffer) std::vector<std::byte>().swap(outgoing);
    return sent;
}

Expected<std::optional<Frame>> CallChannel::State::receive(int flags) {
    for (;;) {
        TRY_ASSIGN(auto frame, in.next());
        if (frame) return frame;
        auto room = in.room();
        ssize_t n = ::recv(fd.get(), room.data(), room.size(), flags);
        if (n > 0) {
            in.filled(static_cast<size_t>(n));
            continue;
        }
        if (n == 0)
            return fail_code(ECONNRESET, "call channel: the peer closed{}",
                             in.empty() ? "" : " within a frame");
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return std::optional<Frame>();
        return fail_errno("call channel: receive");
    }
}

CallChannel::CallChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
CallChannel::~CallChannel() = default;

int CallChannel::fd() const {
    return state_->fd.get();
}

Status CallChannel::send(uint8_t type, std::span<const std::byte> head, std::span<const std::byte> tail) {
    size_t overhead = 1 + kSealOverhead;
    if (head.size() > kMaxFrame - overhead || tail.size() > kMaxFrame - overhead - head.size())
        return fail_code(EMSGSIZE, "call channel: send {} bytes", head.size() + tail.size());
    std::lock_guard guard(state_->send_lock);
    if (state_->broken) return fail_code(ECONNRESET, "call channel: send");
    auto sent = state_->cipher == Cipher::None ? state_->send_clear(type, head, tail)
                                               : state_->send_sealed(type, head, tail);
    // Half a frame may be out: nothing can follow it.
    if (!sent) state_->shut_down();
    return sent;
}

Expected<Frame> CallChannel::receive() {
    if (state_->broken) return fail_code(ECONNRESET, "call channel: receive");
    auto frame = state_->receive(0);
    if (!frame) {
        state_->shut_down();
        return std::move(frame.error());
    }
    PMI_ASSERT(frame->has_value());
    return std::move(**frame);
}

Expected<std::optional<Frame>> CallChannel::try_receive() {
    if (state_->broken) return fail_code(ECONNRESET, "call channel: receive");
    auto frame = state_->receive(MSG_DONTWAIT);
    if (!frame) state_->shut_down();
    return frame;
}

bool CallChannel::has_read_ahead() const {
    return !state_->in.empty();
}

void CallChannel::shut_down() {
    state_->shut_down();
}

Expected<std::unique_ptr<CallChannel>> CallChannel::connect(const std::string& host, uint16_t port,
                                                            const ChannelKeys& keys, Security security,
                                                            int timeout_ms) {
    Deadline deadline(timeout_ms);
    TRY_ASSIGN(Fd fd, connect_tcp(host, port, timeout_ms));
    TRY(set_call_options(fd.get()));
    Hello hello = make_hello(keys, security);
    TRY(send_now(fd.get(), hello.data(), hello.size()));
    HelloAnswer answer{};
    size_t have = 0;
    std::vector<pollfd> item{{fd.get(), POLLIN, 0}};
    for (;;) {
        TRY_ASSIGN(bool whole, read_more(fd.get(), answer.data(), answer.size(), &have));
        if (whole) break;
        if (deadline.over())
            return fail_code(ETIMEDOUT, "call channel to {}: no answer", show_host_port(host, port));
        poll_until(item, deadline);
    }
    TRY_ASSIGN(SessionKeys session, check_answer(hello, answer, keys, security));
    auto state = std::make_unique<State>(std::move(fd), session, Side::Home);
    return std::unique_ptr<CallChannel>(new CallChannel(std::move(state)));
}

namespace {

// A connection that has not proved yet that it is home. Others may connect too: a port scanner, somebody
// hostile.
struct Candidate {
    Fd fd;
    Hello hello{};
    size_t have = 0;
};

// Takes a candidate's bytes: its session when it is home, nothing when more has to come, an error when it is
// not.
Expected<std::optional<SessionKeys>> hear(Candidate& candidate, const ChannelKeys& keys, Security security) {
    TRY_ASSIGN(bool whole, read_more(candidate.fd.get(), candidate.hello.data(), candidate.hello.size(),
                                     &candidate.have));
    if (!whole) return std::optional<SessionKeys>();
    HelloAnswer answer{};
    TRY_ASSIGN(SessionKeys session, answer_hello(candidate.hello, keys, security, &answer));
    TRY(send_now(candidate.fd.get(), answer.data(), answer.size()));
    return std::optional<SessionKeys>(session);
}

void accept_candidate(int listener, std::list<Candidate>& candidates) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid() || !set_call_options(fd.get())) return;
    if (candidates.size() == kMaxPending) candidates.pop_front();
    candidates.emplace_back().fd = std::move(fd);
}

}  // namespace

Expected<std::unique_ptr<CallChannel>> CallChannel::accept(int listener, const ChannelKeys& keys,
                                                           Security security, int timeout_ms) {
    Deadline deadline(timeout_ms);
    std::list<Candidate> candidates;
    Error last = fail_code(ETIMEDOUT, "call channel: home didn't connect in {} ms", timeout_ms);
    while (!deadline.over()) {
        std::vector<pollfd> items{{listener, POLLIN, 0}};
        for (auto& c : candidates) items.push_back({c.fd.get(), POLLIN, 0});
        if (poll_until(items, deadline) < 0) return fail_errno("poll");
        size_t i = 1;
        for (auto c = candidates.begin(); c != candidates.end(); i++) {
            if (items[i].revents == 0) {
                ++c;
                continue;
            }
            auto session = hear(*c, keys, security);
            if (session && session->has_value()) {
                auto state = std::make_unique<State>(std::move(c->fd), **session, Side::Node);
                return std::unique_ptr<CallChannel>(new CallChannel(std::move(state)));
            }
            if (!session) last = fail_code(ETIMEDOUT, "call channel: no home; {}", session.error().message());
            c = session ? std::next(c) : candidates.erase(c);
        }
        if ((items[0].revents & POLLIN) != 0) accept_candidate(listener, candidates);
    }
    return last;
}

}  // namespace pmi
