// What becomes of a socket's connection, from libzmq's socket monitor: without it a server that died would look like
// one that has nothing to say.
#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <zmq.hpp>

#include "remote/transport/address.h"
#include "remote/transport/deadline.h"
#include "remote/transport/zmq_context.h"
#include "runtime/base/error.h"

namespace pmi {

class ConnectionWatch {
  public:
    ConnectionWatch(ZmqContext& context, zmq::socket_t& watched);
    // The watched socket is still open: a monitor without a reader would block the I/O thread.
    ~ConnectionWatch();
    ConnectionWatch(const ConnectionWatch&) = delete;
    ConnectionWatch& operator=(const ConnectionWatch&) = delete;
    int fd();

    // Takes the events that have come; false from when the peer has gone.
    bool peer_alive();
    // Waits for the handshake with `address`.
    enum class Outcome { Ready, Unreachable, Refused, NoHandshake, Timeout, TimeoutConnected };
    Outcome wait_ready(const Deadline& deadline);

    zmq::socket_t& socket() { return monitor_; }

  private:
    struct Event {
        uint16_t what = 0;
        uint32_t value = 0;
    };
    bool next(Event* event);
    void note(const Event& event);

    void* watched_;
    zmq::socket_t monitor_;
    std::set<int> open_;  // connections, by their fds
    bool handshaken_ = false;
    bool dead_ = false;
    bool connected_ = false;  // TCP-wise
};

// A socket and its watch, which goes first.
struct WatchedSocket {
    WatchedSocket(ZmqContext& context, zmq::socket_t s)
        : socket(std::move(s)), watch(std::make_unique<ConnectionWatch>(context, socket)) {}
    zmq::socket_t socket;
    std::unique_ptr<ConnectionWatch> watch;
};

// Connects the socket to the first of the addresses that completes a handshake; the error says why none did.
Status connect_and_wait(ZmqContext& context, WatchedSocket& socket, const std::string& host, uint16_t port, int timeout_ms);

}  // namespace pmi
