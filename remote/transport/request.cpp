// Requests are DEALER to ROUTER: unlike REQ and REP nobody gets stuck when a reply never comes.
#include <zmq.hpp>

#include "remote/transport/connection_watch.h"
#include "remote/transport/deadline.h"
#include "remote/transport/pollable.h"
#include "remote/transport/stream.h"
#include "remote/transport/zmq_context.h"

namespace pmi {

namespace {

constexpr const char* kRequestDomain = "pmi-request";

// All parts of the message that is there, up to `keep` of them.
std::vector<zmq::message_t> receive_parts(zmq::socket_t& socket, size_t keep, size_t* count) {
    std::vector<zmq::message_t> parts;
    *count = 0;
    bool more = true;
    while (more) {
        zmq::message_t part;
        if (!socket.recv(part, zmq::recv_flags::dontwait)) break;
        more = part.more();
        (*count)++;
        if (parts.size() < keep) parts.push_back(std::move(part));
    }
    return parts;
}

std::string property(zmq::message_t& message, const char* name) {
    const char* value = ::zmq_msg_gets(message.handle(), name);
    return value != nullptr ? value : "";
}

class ZmqRequestServer final : public RequestServer {
  public:
    ZmqRequestServer(std::shared_ptr<ZmqContext> context, zmq::socket_t socket, Pollable pollable, uint16_t port)
        : context_(std::move(context)), socket_(std::move(socket)), pollable_(std::move(pollable)), port_(port) {}

    int poll_fd() const override { return pollable_.fd(); }
    uint16_t port() const override { return port_; }
    Expected<std::unique_ptr<Incoming>> try_receive() override;
    Status reply(const std::string& client, std::string_view bytes) override;

  private:
    void update_poll_fd() { pollable_.set_more((socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0); }

    std::shared_ptr<ZmqContext> context_;  // before what lives in it
    zmq::socket_t socket_;
    Pollable pollable_;
    uint16_t port_;
};

Expected<std::unique_ptr<RequestServer::Incoming>> ZmqRequestServer::try_receive() {
    try {
        for (;;) {
            size_t count = 0;
            auto parts = receive_parts(socket_, 2, &count);
            update_poll_fd();
            if (count == 0) return std::unique_ptr<Incoming>();
            if (count != 2) continue;  // not from a RequestClient: the client, one part
            auto incoming = std::make_unique<Incoming>();
            incoming->client = parts[0].to_string();
            incoming->bytes = parts[1].to_string();
            incoming->peer_address = property(parts[1], "Peer-Address");
            incoming->user_key = property(parts[1], "User-Id");
            return incoming;
        }
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "receive a request");
    }
}

Status ZmqRequestServer::reply(const std::string& client, std::string_view bytes) {
    try {
        // Never waits: a client that doesn't take its replies loses them.
        auto flags = zmq::send_flags::dontwait;
        bool sent = socket_.send(zmq::buffer(client), flags | zmq::send_flags::sndmore).has_value() &&
                    socket_.send(zmq::buffer(bytes), flags).has_value();
        update_poll_fd();
        if (!sent) return fail_code(EAGAIN, "reply: the client takes nothing");
        return {};
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "reply");  // EHOSTUNREACH: the client is gone
    }
}

class ZmqRequestClient final : public RequestClient {
  public:
    ZmqRequestClient(std::shared_ptr<ZmqContext> context, WatchedSocket watched, std::string where)
        : context_(std::move(context)), watched_(std::move(watched)), where_(std::move(where)) {}
    Expected<std::string> request(std::string_view bytes, int timeout_ms) override;

  private:
    std::shared_ptr<ZmqContext> context_;  // before what lives in it
    WatchedSocket watched_;
    zmq::socket_t& socket_ = watched_.socket;
    ConnectionWatch& watch_ = *watched_.watch;
    std::string where_;
    bool late_ = false;  // a reply is still to come, and would be taken for the next request's
};

Expected<std::string> ZmqRequestClient::request(std::string_view bytes, int timeout_ms) {
    Deadline deadline(timeout_ms);
    try {
        if (late_ || !socket_.send(zmq::buffer(bytes), zmq::send_flags::dontwait))
            return fail_code(ECONNRESET, "{}: connection lost", where_);
        for (;;) {
            bool alive = watch_.peer_alive();
            size_t count = 0;
            auto parts = receive_parts(socket_, 1, &count);
            if (count > 0) return parts[0].to_string();
            if (!alive) return fail_code(ECONNRESET, "{}: connection lost", where_);
            late_ = deadline.over();
            if (late_) return fail_code(ETIMEDOUT, "{}: no reply in {} ms", where_, timeout_ms);
            zmq_pollitem_t items[2] = {{socket_.handle(), 0, ZMQ_POLLIN, 0}, {watch_.socket().handle(), 0, ZMQ_POLLIN, 0}};
            (void)::zmq_poll(items, 2, deadline.left_ms());
        }
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "request to {}", where_);
    }
}

}  // namespace

Expected<std::unique_ptr<RequestServer>> RequestServer::listen(Transport& transport, const std::string& address, uint16_t port) {
    try {
        auto context = context_of(transport);
        zmq::socket_t socket = context->make_socket(zmq::socket_type::router, kMaxRequest);
        socket.set(zmq::sockopt::router_mandatory, true);
        socket.set(zmq::sockopt::rcvhwm, 64);  // for each client
        socket.set(zmq::sockopt::sndhwm, 64);
        context->make_server(socket, kRequestDomain);
        TRY_ASSIGN(uint16_t bound, bind_tcp(socket, address, port));
        TRY_ASSIGN(Pollable pollable, Pollable::create());
        TRY(pollable.add(socket.get(zmq::sockopt::fd)));
        pollable.set_more(true);  // a client may have come between bind and here
        return std::unique_ptr<RequestServer>(
            new ZmqRequestServer(std::move(context), std::move(socket), std::move(pollable), bound));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "listen on {}", show_host_port(address, port));
    }
}

Expected<std::unique_ptr<RequestClient>> RequestClient::connect(Transport& transport, const std::string& host, uint16_t port,
                                                                const std::string& server_key, int timeout_ms) {
    std::string where = show_host_port(host, port);
    try {
        auto context = context_of(transport);
        zmq::socket_t socket = context->make_socket(zmq::socket_type::dealer, kMaxRequest);
        socket.set(zmq::sockopt::linger, 0);
        context->make_client(socket, server_key);
        WatchedSocket watched(*context, std::move(socket));
        TRY(connect_and_wait(*context, watched, host, port, timeout_ms));
        return std::unique_ptr<RequestClient>(new ZmqRequestClient(std::move(context), std::move(watched), std::move(where)));
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "connect to {}", where);
    }
}

Expected<std::string> request(Transport& transport, const std::string& host, uint16_t port, const std::string& server_key,
                              std::string_view bytes, int timeout_ms) {
    Deadline deadline(timeout_ms);
    TRY_ASSIGN(auto client, RequestClient::connect(transport, host, port, server_key, timeout_ms));
    return client->request(bytes, deadline.left_ms());
}

}  // namespace pmi
