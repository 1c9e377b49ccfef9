#include "remote/transport/tcp_stream.h"

#include <lz4.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>

#include "remote/transport/buffer_pool.h"
#include "remote/transport/call_accept.h"
#include "remote/transport/call_handshake.h"
#include "remote/transport/deadline.h"
#include "remote/transport/frame_sealer.h"
#include "remote/transport/handshake_io.h"
#include "remote/transport/keyed_hash.h"
#include "remote/transport/link_gauge.h"
#include "remote/transport/tcp.h"
#include "runtime/base/clock.h"
#include "runtime/base/thread.h"

namespace pmi {

namespace {

constexpr int kForEver = 24 * 3600 * 1000;  // a listener lives as long as its session
constexpr int kLingerMs = 2000;

struct FrameHead {
    uint32_t size;
    uint32_t plain;
};

// One end's keys, by direction.
struct Sealers {
    FrameSealer out, in;
};
enum class End { Home, Node };
Sealers make_sealers(const SessionKeys& keys, End end) {
    if (end == End::Home) return {{keys.cipher, keys.to_node}, {keys.cipher, keys.to_home}};
    return {{keys.cipher, keys.to_home}, {keys.cipher, keys.to_node}};
}

class PooledMessage final : public Message {
  public:
    PooledMessage(BufferPool::Buffer buffer, size_t size) : buffer_(std::move(buffer)), size_(size) {}
    std::span<const std::byte> bytes() const override { return {buffer_.data(), size_}; }

  private:
    BufferPool::Buffer buffer_;
    size_t size_;
};

Status send_all(int fd, std::span<iovec> parts) {
    while (!parts.empty()) {
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("stream: send");
        auto left = static_cast<size_t>(n);
        while (!parts.empty() && left >= parts.front().iov_len) {
            left -= parts.front().iov_len;
            parts = parts.subspan(1);
        }
        if (left > 0) {
            parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + left;
            parts.front().iov_len -= left;
        }
    }
    return {};
}

Status receive_all(int fd, std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        ssize_t n = ::recv(fd, bytes.data(), bytes.size(), MSG_WAITALL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("stream: receive");
        if (n == 0) return fail_code(ECONNRESET, "stream: the peer is gone");
        bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
}

class TcpStream final : public Stream {
  public:
    TcpStream(End end, Fd event, Fd stop) : end_(end), event_(std::move(event)), stop_(std::move(stop)) {}
    ~TcpStream() override;
    static Expected<std::unique_ptr<TcpStream>> create(End end);
    // One of these once: the stream's threads start.
    Status connected(Fd socket, const SessionKeys& keys);
    Status listening(Fd listener, const ChannelKeys& keys, Security security);

    int poll_fd() const override { return event_.get(); }
    bool is_alive() override {
        std::lock_guard lock(mutex_);
        return can_still_send();
    }
    Status send(std::span<const std::byte> bytes) override;
    Status send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) override;
    bool can_send(int wait_ms) override;
    Expected<std::unique_ptr<Message>> receive(int timeout_ms) override;
    Expected<std::unique_ptr<Message>> try_receive() override;
    void abandon() override;
    StreamCounts counts() override {
        std::lock_guard lock(mutex_);
        return counts_;
    }

  private:
    struct Outgoing {
        std::span<const std::byte> bytes;
        std::function<void()> release;
    };
    using Lock = std::unique_lock<std::mutex>;
    Status begin(Fd socket, const SessionKeys& keys);
    void accept_and_receive(const Fd& listener, const ChannelKeys& keys, Security security);
    void send_loop();
    void receive_loop();
    Status send_frame(std::span<const std::byte> bytes);
    std::span<const std::byte> compress(std::span<const std::byte> bytes, FrameHead* head);
    Expected<std::unique_ptr<Message>> receive_frame();
    Expected<std::unique_ptr<Message>> unpack(std::span<const std::byte> packed, size_t size);
    void count_compressed(size_t from, size_t to);
    bool take_next(Outgoing* next);
    void hand_over(std::unique_ptr<Message> message);
    void receiving_ended();
    bool can_still_send() const { return alive_ && !sending_failed_; }
    void update_event();
    bool has_room(size_t size) const { return out_bytes_ == 0 || out_bytes_ + size <= kStreamQueueBytes; }
    std::unique_ptr<Message> take_received();
    static Error peer_gone() { return fail_code(ECONNRESET, "stream: the peer is gone"); }

    const End end_;
    Fd socket_, event_, stop_;
    std::optional<Sealers> sealers_;
    // The sender's.
    LinkGauge gauge_;
    std::vector<std::byte> packed_, sealed_;
    BufferPool pool_{kStreamQueueBytes + (4u << 20)};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool connected_ = false, alive_ = true, closing_ = false, abandoned_ = false, event_set_ = false, sending_ = false,
         sending_failed_ = false;
    std::deque<Outgoing> out_;
    std::deque<std::unique_ptr<Message>> in_;
    size_t out_bytes_ = 0, in_bytes_ = 0;
    StreamCounts counts_;
    std::thread sender_, receiver_;
};

Expected<std::unique_ptr<TcpStream>> TcpStream::create(End end) {
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid() || !stop.valid()) return fail_errno("eventfd");
    return std::make_unique<TcpStream>(end, std::move(event), std::move(stop));
}

Status TcpStream::connected(Fd socket, const SessionKeys& keys) {
    TRY(begin(std::move(socket), keys));
    TRY_ASSIGN(sender_, start_thread([this] { send_loop(); }));
    TRY_ASSIGN(receiver_, start_thread([this] { receive_loop(); }));
    return {};
}

Status TcpStream::listening(Fd listener, const ChannelKeys& keys, Security security) {
    TRY_ASSIGN(sender_, start_thread([this] { send_loop(); }));
    auto body = [this, listener = std::move(listener), keys, security] { accept_and_receive(listener, keys, security); };
    TRY_ASSIGN(receiver_, start_thread(std::move(body)));
    return {};
}

Status TcpStream::begin(Fd socket, const SessionKeys& keys) {
    Sealers sealers = make_sealers(keys, end_);
    std::lock_guard lock(mutex_);
    // Nobody would wake it from its socket any more.
    if (closing_) return fail_code(ECANCELED, "stream: closed");
    socket_ = std::move(socket);
    sealers_.emplace(std::move(sealers));
    connected_ = true;
    changed_.notify_all();
    return {};
}

void TcpStream::accept_and_receive(const Fd& listener, const ChannelKeys& keys, Security security) {
    auto home = accept_home(listener.get(), keys, security, Deadline(kForEver), stop_.get());
    if (!home) return receiving_ended();
    if (!begin(std::move(home->connection), home->keys)) return receiving_ended();
    receive_loop();
}

// What is queued is sent, for a while; then the peer's end of it is waited for, since closing a socket with something unread
// would take back what is still on its way.
TcpStream::~TcpStream() {
    {
        Lock lock(mutex_);
        closing_ = true;
        changed_.notify_all();
        bool lingers = connected_ && !abandoned_;
        Deadline deadline(lingers ? kLingerMs : 0);
        auto wait_for = [&](auto done) { return changed_.wait_for(lock, std::chrono::milliseconds(deadline.left_ms()), done); };
        wait_for([&] { return !can_still_send() || abandoned_ || (out_.empty() && !sending_); });
        if (lingers && alive_) {
            ::shutdown(socket_.get(), SHUT_WR);
            wait_for([&] { return !alive_ || abandoned_; });
        }
        alive_ = false;
        changed_.notify_all();
        (void)::eventfd_write(stop_.get(), 1);
        if (socket_.valid()) ::shutdown(socket_.get(), SHUT_RDWR);
    }
    if (sender_.joinable()) sender_.join();
    if (receiver_.joinable()) receiver_.join();
    for (auto& each : out_) each.release();
}

void TcpStream::abandon() {
    Lock lock(mutex_);
    abandoned_ = true;
    changed_.notify_all();
}

// The peer has closed, the connection is lost, or what came makes no sense: the stream is over.
void TcpStream::receiving_ended() {
    std::lock_guard lock(mutex_);
    // The peer need not wait for our end of it.
    if (socket_.valid()) ::shutdown(socket_.get(), SHUT_RDWR);
    alive_ = false;
    update_event();
    changed_.notify_all();
}

// Under the lock.
void TcpStream::update_event() {
    bool wanted = !in_.empty() || !alive_;
    if (wanted == event_set_) return;
    event_set_ = wanted;
    eventfd_t ignored = 0;
    (void)(wanted ? ::eventfd_write(event_.get(), 1) : ::eventfd_read(event_.get(), &ignored));
}

// ---- sending

Status TcpStream::send(std::span<const std::byte> bytes) {
    auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
    return send_zero_copy(*copy, [copy] {});
}

Status TcpStream::send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) {
    auto queued = [&]() -> Status {
        if (bytes.size() > kMaxStreamMessage)
            return fail_code(EMSGSIZE, "stream: message of {} bytes, at most {} fit", bytes.size(), kMaxStreamMessage);
        Lock lock(mutex_);
        bool can = changed_.wait_for(lock, std::chrono::milliseconds(kStreamSendTimeoutMs),
                                     [&] { return !can_still_send() || has_room(bytes.size()); });
        if (!can_still_send()) return peer_gone();
        if (!can) return fail_code(ETIMEDOUT, "stream: the peer takes nothing");
        out_bytes_ += bytes.size();
        out_.push_back({bytes, std::move(release)});
        changed_.notify_all();
        return {};
    }();
    if (!queued) release();
    return queued;
}

bool TcpStream::can_send(int wait_ms) {
    Lock lock(mutex_);
    auto can = [&] { return !can_still_send() || has_room(kUsualStreamMessage); };
    return can() || (wait_ms > 0 && changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), can));
}

bool TcpStream::take_next(Outgoing* next) {
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return !can_still_send() || (connected_ && !out_.empty()); });
    if (!can_still_send()) return false;
    *next = std::move(out_.front());
    out_.pop_front();
    sending_ = true;
    return true;
}

void TcpStream::send_loop() {
    Outgoing next;
    while (take_next(&next)) {
        auto sent = send_frame(next.bytes);
        size_t size = next.bytes.size();
        next.release();
        next = {};
        Lock lock(mutex_);
        sending_ = false;
        // What the peer has sent is received all the same: its last words may be among it.
        sending_failed_ = !sent;
        out_bytes_ -= size;
        changed_.notify_all();
    }
}

Status TcpStream::send_frame(std::span<const std::byte> bytes) {
    FrameHead head{0, 0};
    bytes = compress(bytes, &head);
    head.size = static_cast<uint32_t>(bytes.size());
    std::array<std::byte, kSealOverhead> tag{};
    if (sealers_->out.overhead() > 0) {
        if (sealed_.size() < bytes.size()) sealed_.resize(bytes.size());
        auto to = std::span(sealed_).first(bytes.size());
        sealers_->out.seal(std::as_bytes(std::span(&head, 1)), {&bytes, 1}, to, tag);
        bytes = to;
    }
    std::array<iovec, 3> parts{{{&head, sizeof head},
                                {const_cast<std::byte*>(bytes.data()), bytes.size()},  // only read
                                {tag.data(), sealers_->out.overhead()}}};
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    TRY(send_all(socket_.get(), parts));
    gauge_.sent(bytes.size(), clock_ns(CLOCK_MONOTONIC) - began);
    return {};
}

std::span<const std::byte> TcpStream::compress(std::span<const std::byte> bytes, FrameHead* head) {
    if (!gauge_.wants_compression(bytes.size())) return bytes;
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    auto size = static_cast<int>(bytes.size());
    packed_.resize(std::max(packed_.size(), static_cast<size_t>(::LZ4_compressBound(size))));
    int n = ::LZ4_compress_default(reinterpret_cast<const char*>(bytes.data()), reinterpret_cast<char*>(packed_.data()), size,
                                   static_cast<int>(packed_.size()));
    if (n <= 0) return bytes;
    auto packed = std::span<const std::byte>(packed_).first(static_cast<size_t>(n));
    gauge_.compressed(bytes.size(), packed.size(), clock_ns(CLOCK_MONOTONIC) - began);
    if (packed.size() >= bytes.size()) return bytes;
    head->plain = static_cast<uint32_t>(bytes.size());
    count_compressed(bytes.size(), packed.size());
    return packed;
}

void TcpStream::count_compressed(size_t from, size_t to) {
    std::lock_guard lock(mutex_);
    counts_.compressed_from += from, counts_.compressed_to += to;
}

// ---- receiving

void TcpStream::receive_loop() {
    for (;;) {
        auto message = receive_frame();
        if (!message) return receiving_ended();
        hand_over(std::move(*message));
    }
}

Expected<std::unique_ptr<Message>> TcpStream::receive_frame() {
    FrameHead head{};
    TRY(receive_all(socket_.get(), std::as_writable_bytes(std::span(&head, 1))));
    if (head.size > kMaxStreamMessage || head.plain > kMaxStreamMessage)
        return fail_code(EPROTO, "stream: a frame of {} bytes", head.size);
    size_t overhead = sealers_->in.overhead();
    auto buffer = pool_.take(head.size + overhead);
    auto bytes = std::span(buffer.data(), head.size + overhead);
    TRY(receive_all(socket_.get(), bytes));
    auto text = bytes.first(head.size);
    if (overhead > 0 && !sealers_->in.open(std::as_bytes(std::span(&head, 1)), text, text, bytes.last<kSealOverhead>()))
        return fail_code(EBADMSG, "stream: a frame of {} bytes that the peer has not sealed", head.size);
    if (head.plain > 0) return unpack(text, head.plain);
    return std::unique_ptr<Message>(new PooledMessage(std::move(buffer), head.size));
}

Expected<std::unique_ptr<Message>> TcpStream::unpack(std::span<const std::byte> packed, size_t size) {
    auto buffer = pool_.take(size);
    int n = ::LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()), reinterpret_cast<char*>(buffer.data()),
                                  static_cast<int>(packed.size()), static_cast<int>(size));
    if (n < 0 || static_cast<size_t>(n) != size)
        return fail_code(EPROTO, "stream: a frame of {} bytes that can't be decompressed", packed.size());
    count_compressed(size, packed.size());
    return std::unique_ptr<Message>(new PooledMessage(std::move(buffer), size));
}

// Waits until the owner has taken enough. When the stream is being closed nobody takes anything any more.
void TcpStream::hand_over(std::unique_ptr<Message> message) {
    size_t size = message->bytes().size();
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return closing_ || in_bytes_ == 0 || in_bytes_ + size <= kStreamQueueBytes; });
    if (closing_) return;
    in_bytes_ += size;
    in_.push_back(std::move(message));
    update_event();
    changed_.notify_all();
}

// Under the lock.
std::unique_ptr<Message> TcpStream::take_received() {
    if (in_.empty()) return nullptr;
    auto message = std::move(in_.front());
    in_.pop_front();
    in_bytes_ -= message->bytes().size();
    update_event();
    changed_.notify_all();
    return message;
}

Expected<std::unique_ptr<Message>> TcpStream::try_receive() {
    Lock lock(mutex_);
    if (auto message = take_received()) return message;
    if (!alive_) return peer_gone();
    return std::unique_ptr<Message>();
}

Expected<std::unique_ptr<Message>> TcpStream::receive(int timeout_ms) {
    Lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return !in_.empty() || !alive_; });
    if (auto message = take_received()) return message;
    if (!alive_) return peer_gone();
    return fail_code(ETIMEDOUT, "stream: nothing in {} ms", timeout_ms);
}

template <size_t N>
ChannelKeys derive_keys(const ChannelKeys& session, const char (&label)[N]) {
    ChannelKeys keys;
    KeyedHash(session.to_node, 32).add(label, N).finish(keys.to_node.data(), keys.to_node.size());
    KeyedHash(session.to_home, 32).add(label, N).finish(keys.to_home.data(), keys.to_home.size());
    KeyedHash(keys.to_node, 16).add(session.token.data(), session.token.size()).finish(keys.token.data(), keys.token.size());
    return keys;
}

}  // namespace

ChannelKeys stream_keys(const ChannelKeys& session) { return derive_keys(session, "pmi stream"); }
ChannelKeys page_keys(const ChannelKeys& session) { return derive_keys(session, "pmi pages"); }

Expected<std::unique_ptr<Stream>> listen_stream(const std::string& address, const ChannelKeys& keys, Security security,
                                                uint16_t* port) {
    TRY_ASSIGN(Fd listener, listen_tcp(address, port));
    TRY_ASSIGN(auto stream, TcpStream::create(End::Node));
    TRY(stream->listening(std::move(listener), keys, security));
    return std::unique_ptr<Stream>(std::move(stream));
}

Expected<std::unique_ptr<Stream>> connect_stream(const std::string& host, uint16_t port, const ChannelKeys& keys, Security security,
                                                 int timeout_ms) {
    TRY_ASSIGN(auto home, connect_to_node(host, port, keys, security, timeout_ms));
    TRY_ASSIGN(auto stream, TcpStream::create(End::Home));
    TRY(stream->connected(std::move(home.connection), home.keys));
    return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace pmi
