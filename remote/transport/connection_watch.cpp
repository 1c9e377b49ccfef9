#include "remote/transport/connection_watch.h"

#include <algorithm>
#include <cstring>

#include "remote/transport/tcp.h"
#include "remote/transport/zmtp_probe.h"

namespace pmi {

namespace {

constexpr int kEvents = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

}  // namespace

ConnectionWatch::ConnectionWatch(ZmqContext& context, zmq::socket_t& watched)
    : watched_(watched.handle()), monitor_(context.get(), zmq::socket_type::pair) {
    std::string name = "inproc://" + context.unique_name("pmi-monitor");
    // A full monitor pipe would block the I/O thread, that is every connection: leave plenty of room.
    monitor_.set(zmq::sockopt::rcvhwm, 100000);
    monitor_.set(zmq::sockopt::linger, 0);
    if (::zmq_socket_monitor(watched.handle(), name.c_str(), kEvents) != 0) throw zmq::error_t();
    monitor_.connect(name);
}

ConnectionWatch::~ConnectionWatch() { (void)::zmq_socket_monitor(watched_, nullptr, 0); }

int ConnectionWatch::fd() { return monitor_.get(zmq::sockopt::fd); }

bool ConnectionWatch::next(Event* event) {
    zmq::message_t head, address;
    if (!monitor_.recv(head, zmq::recv_flags::dontwait)) return false;
    if (head.more()) (void)monitor_.recv(address, zmq::recv_flags::dontwait);
    if (head.size() < 6) return false;
    std::memcpy(&event->what, head.data(), 2);
    std::memcpy(&event->value, static_cast<const char*>(head.data()) + 2, 4);
    return true;
}

void ConnectionWatch::note(const Event& event) {
    int connection = static_cast<int>(event.value);
    switch (event.what) {
        case ZMQ_EVENT_CONNECTED: connected_ = true; [[fallthrough]];
        case ZMQ_EVENT_ACCEPTED: open_.insert(connection); break;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: handshaken_ = true; break;
        case ZMQ_EVENT_DISCONNECTED:
            open_.erase(connection);
            if (handshaken_ && open_.empty()) dead_ = true;
            break;
        default: break;
    }
}

bool ConnectionWatch::peer_alive() {
    Event event;
    while (next(&event)) note(event);
    return !dead_;
}

ConnectionWatch::Outcome ConnectionWatch::wait_ready(const Deadline& deadline) {
    connected_ = handshaken_ = dead_ = false;
    open_.clear();
    for (;;) {
        Event event;
        while (next(&event)) {
            note(event);
            switch (event.what) {
                case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return Outcome::Ready;
                case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return Outcome::Refused;
                case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                case ZMQ_EVENT_DISCONNECTED: return Outcome::NoHandshake;
                case ZMQ_EVENT_CLOSED: return Outcome::Unreachable;
                default: break;
            }
        }
        if (deadline.over()) return connected_ ? Outcome::TimeoutConnected : Outcome::Timeout;
        zmq_pollitem_t item{monitor_.handle(), 0, ZMQ_POLLIN, 0};
        (void)::zmq_poll(&item, 1, deadline.left_ms());
    }
}

namespace {

// libzmq doesn't say why no connection came about; a plain connect does.
Error explain_unreachable(const std::string& where, const SocketAddress& address, int timeout_ms) {
    auto probe = connect_tcp(address, timeout_ms);
    return fail_code(probe ? ECONNRESET : probe.error().code(), "connect to {}", where);
}

Error no_answer(const std::string& where) {
    return fail_code(ETIMEDOUT, "{}: the port is open but doesn't answer the handshake", where);
}

// Nor why a handshake failed.
Error explain_no_handshake(ZmqContext& context, const std::string& where, const SocketAddress& address, int timeout_ms) {
    auto probed = probe_mechanism(address, timeout_ms);
    if (!probed) return no_answer(where);
    const std::string& theirs = *probed;
    std::string ours = context.security() == Security::Curve ? "CURVE" : "NULL";
    if (theirs == "CURVE" && ours == "NULL") return fail("{}: runs with keys, this side with --insecure", where);
    if (theirs == "NULL" && ours == "CURVE") return fail("{}: runs with --insecure, this side with keys", where);
    if (theirs != ours) return fail("{}: not a pmi port", where);
    return fail_code(EKEYREJECTED, "{} has a key that isn't trusted here (run \"pmictl key trust\" here)", where);
}

Error explain(ConnectionWatch::Outcome outcome, ZmqContext& context, const std::string& where, const SocketAddress& address,
              const Deadline& deadline) {
    using Outcome = ConnectionWatch::Outcome;
    int probe_ms = std::clamp(deadline.left_ms(), 200, 1000);
    switch (outcome) {
        case Outcome::Refused: return fail_code(EACCES, "{} doesn't accept our key (run \"pmictl key trust\" there)", where);
        case Outcome::NoHandshake: return explain_no_handshake(context, where, address, probe_ms);
        case Outcome::Unreachable: return explain_unreachable(where, address, probe_ms);
        case Outcome::TimeoutConnected: return no_answer(where);
        default: return fail_code(ETIMEDOUT, "connect to {}: no answer", where);
    }
}

}  // namespace

Status connect_and_wait(ZmqContext& context, WatchedSocket& socket, const std::string& host, uint16_t port, int timeout_ms) {
    Deadline deadline(timeout_ms);
    std::string where = show_host_port(host, port);
    TRY_ASSIGN(auto addresses, resolve(host, port, timeout_ms));
    Error last("");
    for (size_t i = 0; i < addresses.size(); i++) {
        int share = deadline.left_ms() / static_cast<int>(addresses.size() - i);
        Deadline limit(share);
        std::string endpoint = addresses[i].endpoint();
        socket.socket.set(zmq::sockopt::ipv6, addresses[i].v6());
        socket.socket.connect(endpoint);
        auto outcome = socket.watch->wait_ready(limit);
        if (outcome == ConnectionWatch::Outcome::Ready) return {};
        last = explain(outcome, context, where, addresses[i], limit);
        // Already gone when the connection failed for good.
        (void)::zmq_disconnect(socket.socket.handle(), endpoint.c_str());
    }
    return last;
}

}  // namespace pmi
