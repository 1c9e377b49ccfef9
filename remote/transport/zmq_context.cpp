#include "remote/transport/zmq_context.h"

#include "remote/transport/tcp.h"
#include "remote/transport/zap.h"

namespace pmi {

namespace {

// No ZMTP heartbeats: libzmq's are stuck behind bulk data when the receiving program is slow for a while, and
// then cut a healthy connection. TCP's own probes are answered by the peer's kernel, whatever its program
// does.
void set_liveness(zmq::socket_t& socket) {
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdleS);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, kKeepaliveIntervalS);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, kKeepaliveCount);
    socket.set(zmq::sockopt::tcp_maxrt, kUserTimeoutMs);
}

}  // namespace

ZmqContext::ZmqContext(std::shared_ptr<const Keyring> ring, Security security) : ring_(std::move(ring)), security_(security) {}

ZmqContext::~ZmqContext() {
    context_.shutdown();  // wakes the ZAP thread
    zap_.reset();
}

zmq::socket_t ZmqContext::make_socket(zmq::socket_type type, size_t max_message) {
    zmq::socket_t socket(context_, type);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(max_message));
    socket.set(zmq::sockopt::handshake_ivl, kConnectTimeoutMs);
    socket.set(zmq::sockopt::linger, 2000);
    set_liveness(socket);
    return socket;
}

void ZmqContext::make_server(zmq::socket_t& socket, const std::string& domain) {
    // The handler first, and for as long as the context: a CURVE server without one would admit everybody.
    zap();
    socket.set(zmq::sockopt::zap_domain, domain);  // not empty: the NULL mechanism asks too
    if (security_ == Security::Insecure) return;
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::curve_secretkey, ring_->own().secret_key);
}

void ZmqContext::make_client(zmq::socket_t& socket, const std::string& server_key) {
    // A lost connection is an error for whoever uses it: a silent new one could have lost messages.
    socket.set(zmq::sockopt::reconnect_ivl, -1);
    socket.set(zmq::sockopt::handshake_ivl, 0);  // whoever connects has a deadline
    if (security_ == Security::Insecure) return;
    socket.set(zmq::sockopt::curve_serverkey, server_key);
    socket.set(zmq::sockopt::curve_publickey, ring_->own().public_key);
    socket.set(zmq::sockopt::curve_secretkey, ring_->own().secret_key);
}

ZapHandler& ZmqContext::zap() {
    std::lock_guard guard(zap_lock_);
    if (!zap_) zap_ = std::make_unique<ZapHandler>(context_, ring_, security_);
    return *zap_;
}

std::string ZmqContext::unique_name(std::string_view prefix) { return fmt::format("{}-{}", prefix, names_.fetch_add(1)); }

Expected<uint16_t> bind_tcp(zmq::socket_t& socket, const std::string& address, uint16_t port) {
    TRY_ASSIGN(auto addresses, resolve(address, port, kConnectTimeoutMs));
    const SocketAddress& first = addresses.front();
    try {
        socket.set(zmq::sockopt::ipv6, first.v6());
        // "tcp://ADDRESS:0" is refused by no one, but "*" is libzmq's own word for a free port.
        std::string endpoint = first.endpoint();
        if (port == 0) endpoint.back() = '*';
        socket.bind(endpoint);
        std::string bound = socket.get(zmq::sockopt::last_endpoint);
        TRY_ASSIGN(HostPort actual, parse_host_port(std::string_view(bound).substr(6)));
        return actual.port;
    } catch (const zmq::error_t& e) {
        return fail_code(e.num(), "listen on {}", show_host_port(address, port));
    }
}

}  // namespace pmi
