// Streams are PAIR sockets. The server end admits one client (zap.h), and a ConnectionWatch tells both ends
// when the other one is gone, which a PAIR socket by itself never says.
#include "remote/transport/stream.h"

#include <zmq.hpp>

#include "remote/transport/connection_watch.h"
#include "remote/transport/deadline.h"
#include "remote/transport/pollable.h"
#include "remote/transport/zap.h"
#include "remote/transport/zmq_context.h"

namespace pmi {

namespace {

class ZmqMessage final : public Message {
  public:
    explicit ZmqMessage(zmq::message_t message) : message_(std::move(message)) {}
    std::span<const std::byte> bytes() const override {
        return {static_cast<const std::byte*>(message_.data()), message_.size()};
    }

  private:
    zmq::message_t message_;
};

class ZmqStream final : public Stream {
  public:
    ZmqStream(std::shared_ptr<ZmqContext> context, WatchedSocket socket, Pollable pollable,
              std::string domain)
        : context_(std::move(context)),
          watched_(std::move(socket)),
          pollable_(std::move(pollable)),
          domain_(std::move(domain)) {}

    ~ZmqStream() override {
        if (!domain_.empty()) context_->zap().forget(domain_);
    }

    int poll_fd() const override { return pollable_.fd(); }
    bool is_alive() override { return watch_.peer_alive(); }
    Status send(std::span<const std::byte> bytes) override;
    Status send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) override;
    bool can_send() override;
    Expected<std::unique_ptr<Message>> receive(int timeout_ms) override;
    Expected<std::unique_ptr<Message>> try_receive() override;

  private:
    Status send_message(zmq::message_t& message);
    bool wait(short events, const Deadline& deadline);
    void update_poll_fd();
    Error peer_gone() const { return fail_code(ECONNRESET, "stream: the peer is gone"); }

    std::shared_ptr<ZmqContext> context_;  // before what lives in it
    WatchedSocket watched_;
    zmq::socket_t& socket_ = watched_.socket;
    ConnectionWatch& watch_ = *watched_.watch;
    Pollable pollable_;
    std::string domain_;  // of a server end
};

void ZmqStream::update_poll_fd() {
    bool alive = watch_.peer_alive();
    pollable_.set_more(!alive || (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0);
}

// Until the socket is ready, the peer gone or the time over; false in the last case.
bool ZmqStream::wait(short events, const Deadline& deadline) {
    if (deadline.over()) return false;
    zmq_pollitem_t items[2] = {{socket_.handle(), 0, events, 0},
                               {watch_.socket().handle(), 0, ZMQ_POLLIN, 0}};
    (void)::zmq_poll(items, 2, deadline.left_ms());  // EINTR: the caller looks again
    return true;
}

Status ZmqStream::send_message(zmq::message_t& message) {
    if (message.size() > kMaxStreamMessage)
        return fail_code(EMSGSIZE, "stream: message of {} bytes, at most {} fit", message.size(),
                         kMaxStreamMessage);
    Deadline deadline(kStreamSendTimeoutMs);
    for (;;) {
        if (!watch_.peer_alive()) return peer_gone();
        if (socket_.send(message, zmq::send_flags::dontwait)) break;
        if (!wait(ZMQ_POLLOUT, deadline)) return fail_code(ETIMEDOUT, "stream: the peer takes nothing");
    }
    update_poll_fd();
    return {};
}

Status ZmqStream::send(std::span<const std::byte> bytes) {
    try {
        zmq::message_t message(bytes.data(), bytes.size());
        return send_message(message);
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "stream: send");
    }
}

Status ZmqStream::send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) {
    auto free_function = [](void*, void* hint) {
        auto* call = static_cast<std::function<void()>*>(hint);
        (*call)();
        delete call;
    };
    try {
        auto* hint = new std::function<void()>(std::move(release));
        // libzmq only reads what is sent.
        zmq::message_t message(const_cast<std::byte*>(bytes.data()), bytes.size(), free_function, hint);
        return send_message(message);
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "stream: send");
    }
}

bool ZmqStream::can_send() {
    try {
        bool can = (socket_.get(zmq::sockopt::events) & ZMQ_POLLOUT) != 0;
        update_poll_fd();  // asking has eaten the edge of what came meanwhile
        return can || !watch_.peer_alive();
    } catch (const zmq::error_t&) {
        return true;  // send() says what is wrong
    }
}

Expected<std::unique_ptr<Message>> ZmqStream::try_receive() {
    try {
        // Life is asked before the messages: what a peer sent before its end is in the queue by then.
        bool alive = watch_.peer_alive();
        zmq::message_t message;
        if (socket_.recv(message, zmq::recv_flags::dontwait)) {
            watch_.set_peer(::zmq_msg_get(message.handle(), ZMQ_SRCFD));
            update_poll_fd();
            return std::unique_ptr<Message>(new ZmqMessage(std::move(message)));
        }
        if (!alive) return peer_gone();
        update_poll_fd();
        return std::unique_ptr<Message>();
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "stream: receive");
    }
}

Expected<std::unique_ptr<Message>> ZmqStream::receive(int timeout_ms) {
    Deadline deadline(timeout_ms);
    for (;;) {
        TRY_ASSIGN(auto message, try_receive());
        if (message) return message;
        try {
            if (!wait(ZMQ_POLLIN, deadline))
                return fail_code(ETIMEDOUT, "stream: nothing in {} ms", timeout_ms);
        } catch (const zmq::error_t& e) {
            return fail_code(e.num(), "stream: receive");
        }
    }
}

class ZmqTransport final : public Transport {
  public:
    explicit ZmqTransport(std::shared_ptr<ZmqContext> context) : context_(std::move(context)) {}
    Expected<std::unique_ptr<Stream>> listen_stream(const std::string& address, uint16_t* port) override;
    Expected<std::unique_ptr<Stream>> connect_stream(const std::string& host, uint16_t port,
                                                     const std::string& server_key, int timeout_ms) override;
    const std::shared_ptr<ZmqContext>& context() const { return context_; }

  private:
    zmq::socket_t make_pair();
    Expected<std::unique_ptr<Stream>> finish(WatchedSocket socket, std::string domain);
    std::shared_ptr<ZmqContext> context_;
};

zmq::socket_t ZmqTransport::make_pair() {
    zmq::socket_t socket = context_->make_socket(zmq::socket_type::pair, kMaxStreamMessage);
    socket.set(zmq::sockopt::sndhwm, kStreamQueue);
    socket.set(zmq::sockopt::rcvhwm, kStreamQueue);
    return socket;
}

Expected<std::unique_ptr<Stream>> ZmqTransport::finish(WatchedSocket watched, std::string domain) {
    TRY_ASSIGN(Pollable pollable, Pollable::create());
    TRY(pollable.add(watched.socket.get(zmq::sockopt::fd)));
    TRY(pollable.add(watched.watch->fd()));
    pollable.set_more(true);  // what came while connecting has eaten its edge
    return std::unique_ptr<Stream>(
        new ZmqStream(context_, std::move(watched), std::move(pollable), std::move(domain)));
}

Expected<std::unique_ptr<Stream>> ZmqTransport::listen_stream(const std::string& address, uint16_t* port) {
    try {
        zmq::socket_t socket = make_pair();
        std::string domain = context_->unique_name("pmi-stream");
        context_->make_server(socket, domain);
        context_->zap().admit_once(domain);
        WatchedSocket watched(*context_, std::move(socket));
        TRY_ASSIGN(*port, bind_tcp(watched.socket, address, 0));
        return finish(std::move(watched), std::move(domain));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "listen on {}", address);
    }
}

Expected<std::unique_ptr<Stream>> ZmqTransport::connect_stream(const std::string& host, uint16_t port,
                                                               const std::string& server_key,
                                                               int timeout_ms) {
    try {
        zmq::socket_t socket = make_pair();
        context_->make_client(socket, server_key);
        WatchedSocket watched(*context_, std::move(socket));
        TRY(connect_and_wait(*context_, watched, host, port, timeout_ms));
        return finish(std::move(watched), "");
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "connect to {}", show_host_port(host, port));
    }
}

}  // namespace

Expected<std::unique_ptr<Transport>> Transport::create(std::shared_ptr<const Keyring> ring,
                                                       Security security) {
    PMI_ASSERT(ring != nullptr || security == Security::Insecure);
    try {
        auto context = std::make_shared<ZmqContext>(std::move(ring), security);
        return std::unique_ptr<Transport>(new ZmqTransport(std::move(context)));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "start libzmq");
    }
}

std::shared_ptr<ZmqContext> context_of(Transport& transport) {
    return dynamic_cast<ZmqTransport&>(transport).context();
}

}  // namespace pmi
