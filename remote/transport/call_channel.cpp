#include "remote/transport/call_channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "remote/transport/call_channel_state.h"

namespace pmi {

namespace {

// A frame of the channel's own: nothing but its trailer.
constexpr uint8_t kReceivedFrame = 0xff;
// Of the channel's own too: its body belongs before that of the next frame of another type.
constexpr uint8_t kPartFrame = 0xfe;
constexpr size_t kPart = 128u << 10;  // bytes
constexpr size_t kUsualParts = (1u << 20) + kPart;
// Behind each frame's body: how many frames of the peer its sender has received.
constexpr size_t kTrailer = sizeof(uint64_t);
// What has been received without an occasion to say so, after which it is said in a frame of its own.
constexpr size_t kUntoldBytes = 1u << 20;
constexpr uint64_t kUntoldFrames = 256;

size_t size_of(std::span<const std::span<const std::byte>> parts) {
    size_t size = 0;
    for (auto part : parts) size += part.size();
    return size;
}

// The first `size` bytes of `parts`, which are taken away there.
std::vector<std::span<const std::byte>> take_bytes(std::span<std::span<const std::byte>> parts, size_t size) {
    std::vector<std::span<const std::byte>> taken;
    for (auto& part : parts) {
        taken.push_back(part.first(std::min(part.size(), size)));
        part = part.subspan(taken.back().size());
        size -= taken.back().size();
    }
    return taken;
}

// Errors of a connection that say nothing of the peer's life.
bool is_of_the_link(int code) {
    return code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH || code == ENETDOWN || code == EHOSTDOWN ||
           code == ECONNRESET || code == ECONNABORTED || code == ENETRESET;
}

// An error of a connection is told once, to whoever asks first; a receiver whose sender has taken it sees what looks like
// the end.
bool has_peer_closed(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_state != TCP_CLOSE;
}

}  // namespace

CallChannel::State::State(Fd socket, const SessionKeys& session, Setup made)
    : setup(std::move(made)),
      cipher(session.cipher),
      fd(std::move(socket)),
      sealer(session.cipher, setup.side == Side::Home ? session.to_node : session.to_home),
      in(FrameSealer(session.cipher, setup.side == Side::Home ? session.to_home : session.to_node)),
      wake(setup.side == Side::Home ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1) {}

CallChannel::State::~State() {
    shut_down();
    if (resender.joinable()) resender.join();
}

void CallChannel::State::shut_down() {
    broken = true;
    std::lock_guard guard(fd_lock);
    ::shutdown(fd.get(), SHUT_RDWR);
    uint64_t one = 1;
    if (wake.valid()) (void)!::write(wake.get(), &one, sizeof one);
}

Status CallChannel::State::send(uint8_t type, std::vector<std::span<const std::byte>> body) {
    size_t left = size_of(body);
    for (; left > kPart; left -= kPart) TRY(send_frame(kPartFrame, body, kPart));
    return send_frame(type, body, left);
}

// The first `size` bytes of what is left of the body.
Status CallChannel::State::send_frame(uint8_t type, std::span<std::span<const std::byte>> body, size_t size) {
    if (broken) return fail_code(ECONNRESET, "call channel: send");
    size_t overhead = cipher == Cipher::None ? 0 : kSealOverhead;
    auto length = static_cast<uint32_t>(size + kTrailer + 1 + overhead);
    auto frame = sent.buffer();
    frame->resize(4 + length);
    std::span<std::byte> all(*frame);
    std::memcpy(all.data(), &length, 4);
    uint64_t have = received;
    told = have;
    auto text = take_bytes(body, size);
    text.push_back(std::as_bytes(std::span(&have, 1)));
    text.push_back(std::as_bytes(std::span(&type, 1)));  // last, so that the peer can open the rest where it is to be
    std::array<std::byte, kSealOverhead> tag{};
    sealer.seal(all.first(4), text, all.subspan(4, size + kTrailer + 1), tag);
    if (overhead != 0) std::copy(tag.begin(), tag.end(), all.end() - kSealOverhead);
    if (auto kept = sent.keep(frame); !kept) {
        shut_down();
        return kept;
    }
    return cut ? Status() : transmit(*frame);
}

// Writes all of it, in one call unless the peer is slow. A frame that did not get through is sent again later.
Status CallChannel::State::transmit(const ByteBuffer& frame) {
    for (size_t done = 0; done < frame.size();) {
        ssize_t n = ::send(fd.get(), frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
        if (n >= 0) {
            done += static_cast<size_t>(n);
            continue;
        }
        if (errno == EINTR) continue;
        int code = errno;
        // EPIPE: it has been shut down, or the peer has ended; the receiver will find out which.
        if (setup.resume_ms > 0 && (is_of_the_link(code) || code == EPIPE) && !broken) {
            if (code != EPIPE) note_cut(code);
            return {};
        }
        // Half a frame may be out: nothing can follow it.
        shut_down();
        return fail_code(code, "call channel: send");
    }
    return {};
}

Expected<std::optional<Frame>> CallChannel::State::receive(int flags) {
    for (;;) {
        size_t before = coming.size();
        TRY_ASSIGN(auto type, in.next(coming));
        if (type) {
            TRY(take_trailer(coming.size() - before));
            tell_received();
            if (*type == kPartFrame) coming.reserve(kUsualParts);
            if (*type != kReceivedFrame && *type != kPartFrame) return std::optional(Frame{*type, std::exchange(coming, {})});
            continue;
        }
        auto room = in.room();
        ssize_t n = ::recv(fd.get(), room.data(), room.size(), flags);
        if (n > 0) {
            in.filled(static_cast<size_t>(n));
            continue;
        }
        int code = n == 0 ? 0 : errno;
        if (code == EINTR) continue;
        if (code == EAGAIN) return std::optional<Frame>();
        if (broken) return fail_code(ECONNRESET, "call channel: receive");
        if (code == 0 && (cut || !has_peer_closed(fd.get()))) code = ECONNRESET;
        if (setup.resume_ms > 0 && is_of_the_link(code)) {
            note_cut(code);
            if (setup.side == Side::Node) return std::optional<Frame>();
            TRY(reconnect());
            continue;
        }
        if (code != 0) return fail_code(code, "call channel: receive");
        return fail_code(ECONNRESET, "call channel: the peer closed{}", in.empty() ? "" : " within a frame");
    }
}

bool CallChannel::State::read_ahead() {
    auto room = in.room();
    ssize_t n = ::recv(fd.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n > 0) in.filled(static_cast<size_t>(n));
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

// Of a frame that has just been opened, with so many bytes.
Status CallChannel::State::take_trailer(size_t size) {
    if (size < kTrailer) return fail_code(EBADMSG, "call channel: frame of {} bytes", size);
    uint64_t peer_has = 0;
    coming.resize(coming.size() - kTrailer);
    std::memcpy(&peer_has, coming.end(), kTrailer);
    TRY(sent.acknowledge(peer_has));
    received++;
    untold_bytes += size;
    return {};
}

// Whoever sends little has to say by itself what it has received, or the peer would keep all of it. Never waits: the
// receiving thread is the one that keeps both sides going.
void CallChannel::State::tell_received() {
    if (told == received) untold_bytes = 0;
    if (untold_bytes < kUntoldBytes && received - told < kUntoldFrames) return;
    std::unique_lock guard(send_lock, std::try_to_lock);
    if (!guard.owns_lock() || !takes_small_frame(0)) return;
    untold_bytes = 0;
    (void)send_frame(kReceivedFrame, {}, 0);
}

// What the peer has not acknowledged yet is all that the socket can still have. Where that is little there is room without asking:
// tcp_wmem's default is twice as much. Writable is what has room for a third of the buffer, which is much more.
bool CallChannel::State::takes_small_frame(size_t size) const {
    constexpr size_t kSurelyFits = 8u << 10;  // bytes
    if (cut) return false;
    if (sent.unacknowledged_bytes() + size <= kSurelyFits) return true;
    pollfd item{fd.get(), POLLOUT, 0};
    return ::poll(&item, 1, 0) == 1 && (item.revents & POLLOUT) != 0;
}

CallChannel::CallChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
CallChannel::~CallChannel() = default;

int CallChannel::fd() const {
    bool is_silent = state_->setup.listener && (state_->cut || state_->setup.listener->is_answering());
    return is_silent && !state_->broken ? -1 : state_->fd.get();
}

int CallChannel::resume_fd() const { return state_->setup.listener ? state_->setup.listener->fd() : -1; }

Status CallChannel::serve_resumption() { return state_->serve_resumption(); }

bool CallChannel::is_cut() const { return state_->cut && !state_->broken; }

Status CallChannel::send(uint8_t type, std::span<const std::byte> head, std::span<const std::byte> tail) {
    return send(type, head, std::vector{tail});
}

Status CallChannel::send(uint8_t type, std::span<const std::byte> head, const std::vector<std::span<const std::byte>>& tail) {
    std::vector<std::span<const std::byte>> body{head};
    body.insert(body.end(), tail.begin(), tail.end());
    if (size_of(body) > kMaxFrame - 1 - kTrailer - kSealOverhead)
        return fail_code(EMSGSIZE, "call channel: send {} bytes", size_of(body));
    std::lock_guard guard(state_->send_lock);
    return state_->send(type, std::move(body));
}

Expected<bool> CallChannel::try_send(uint8_t type, std::span<const std::byte> head,
                                     const std::vector<std::span<const std::byte>>& tail) {
    std::vector<std::span<const std::byte>> body{head};
    body.insert(body.end(), tail.begin(), tail.end());
    std::unique_lock guard(state_->send_lock, std::try_to_lock);
    if (size_of(body) > kSmallFrame || !guard.owns_lock() || !state_->takes_small_frame(size_of(body))) return false;
    TRY(state_->send(type, std::move(body)));
    return true;
}

Expected<Frame> CallChannel::receive() {
    for (;;) {
        if (state_->broken) return fail_code(ECONNRESET, "call channel: receive");
        if (fd() >= 0) {
            auto frame = state_->receive(0);
            if (!frame) state_->shut_down();
            if (!frame) return std::move(frame.error());
            if (frame->has_value()) return std::move(**frame);
        }
        // The node's end, cut.
        pollfd item{resume_fd(), POLLIN, 0};
        if (::poll(&item, 1, -1) < 0 && errno != EINTR) return fail_errno("poll");
        TRY(serve_resumption());
    }
}

Expected<std::optional<Frame>> CallChannel::try_receive() {
    if (state_->broken) return fail_code(ECONNRESET, "call channel: receive");
    if (fd() < 0) return std::optional<Frame>();
    auto frame = state_->receive(MSG_DONTWAIT);
    if (!frame) state_->shut_down();
    return frame;
}

bool CallChannel::has_read_ahead() const { return !state_->in.empty(); }

bool CallChannel::read_ahead() { return has_read_ahead() || (fd() >= 0 && !state_->broken && state_->read_ahead()); }

void CallChannel::shut_down() { state_->shut_down(); }

}  // namespace pmi
