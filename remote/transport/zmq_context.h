// One libzmq context and what all sockets of a Transport share: whose keys we use, and the limits and
// time-outs that every connection has. Sockets keep the context alive, so objects may be destroyed in any
// order.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "remote/transport/address.h"
#include "remote/transport/keys.h"
#include "remote/transport/stream.h"
#include "runtime/base/error.h"

namespace pmi {

class ZapHandler;

class ZmqContext {
  public:
    ZmqContext(std::shared_ptr<const Keyring> ring, Security security);
    ~ZmqContext();
    ZmqContext(const ZmqContext&) = delete;
    ZmqContext& operator=(const ZmqContext&) = delete;

    zmq::context_t& get() { return context_; }
    Security security() const { return security_; }
    const Keyring* ring() const { return ring_.get(); }

    // A socket as every one of ours is set up; then one of the two roles below.
    zmq::socket_t make_socket(zmq::socket_type type, size_t max_message);
    // `domain` is what the ZAP handler sees of which socket a client wants. Starts that handler.
    void make_server(zmq::socket_t& socket, const std::string& domain);
    void make_client(zmq::socket_t& socket, const std::string& server_key);

    ZapHandler& zap();
    std::string unique_name(std::string_view prefix);

  private:
    std::shared_ptr<const Keyring> ring_;
    Security security_;
    zmq::context_t context_;
    std::mutex zap_lock_;
    std::unique_ptr<ZapHandler> zap_;
    std::atomic<unsigned> names_{0};
};

// The context behind the interface in stream.h; every Transport is one of ours.
std::shared_ptr<ZmqContext> context_of(Transport& transport);

// Binds to address:port, 0 meaning any free port; returns the port.
Expected<uint16_t> bind_tcp(zmq::socket_t& socket, const std::string& address, uint16_t port);

}  // namespace pmi
