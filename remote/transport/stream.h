// ZeroMQ behind an interface of our own: a request server and client (pmid's port), and a stream between two
// peers for state and memory. All are CURVE connections unless Security::Insecure was asked for, loudly.
// Not thread-safe: each object belongs to the thread that made it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "remote/transport/keys.h"
#include "runtime/base/error.h"

namespace pmi {

enum class Security { Curve, Insecure };

// One received message; the bytes stay valid while the object lives (no copy is made of a large one).
class Message {
  public:
    virtual ~Message() = default;
    virtual std::span<const std::byte> bytes() const = 0;
};

// A connection between exactly two peers that keeps order. Each side may send at any time.
class Stream {
  public:
    virtual ~Stream() = default;
    // Readable when a message may be waiting (edge: read until try_receive gives null).
    virtual int poll_fd() const = 0;
    // Copies. Blocks (up to timeout) while the peer is slow; Error when the peer is gone.
    virtual Status send(std::span<const std::byte> bytes) = 0;
    // Zero-copy: `release` is called from any thread when the bytes may be reused.
    virtual Status send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) = 0;
    virtual Expected<std::unique_ptr<Message>> receive(int timeout_ms) = 0;      // Error ETIMEDOUT
    virtual Expected<std::unique_ptr<Message>> try_receive() = 0;                // null: nothing there
};

class Transport {
  public:
    // `ring` may be null only with Security::Insecure. Starts libzmq's I/O thread and, for servers, a ZAP handler
    // that asks ring->trusts() for each client.
    static Expected<std::unique_ptr<Transport>> create(std::shared_ptr<const Keyring> ring, Security security);
    virtual ~Transport() = default;

    // Server end of one stream on an address such as "0.0.0.0" and a free port, which is returned through `port`.
    virtual Expected<std::unique_ptr<Stream>> listen_stream(const std::string& address, uint16_t* port) = 0;
    virtual Expected<std::unique_ptr<Stream>> connect_stream(const std::string& host, uint16_t port,
                                                             const std::string& server_key, int timeout_ms) = 0;
};

// pmid's end: many clients, each request answered once.
class RequestServer {
  public:
    static Expected<std::unique_ptr<RequestServer>> listen(Transport& transport, const std::string& address,
                                                           uint16_t port);
    virtual ~RequestServer() = default;
    virtual int poll_fd() const = 0;
    struct Incoming {
        std::string client;  // opaque, for reply()
        std::string bytes;   // a wire::Request, not parsed
        std::string peer_address, user_key;  // for the log and for limits
    };
    virtual Expected<std::unique_ptr<Incoming>> try_receive() = 0;  // null: nothing there
    virtual Status reply(const std::string& client, std::string_view bytes) = 0;
};

// One request, one reply, with a deadline. The error distinguishes: can't resolve, no answer in time (with the
// hint whether the TCP port is open but the handshake refused: "doesn't accept our key").
Expected<std::string> request(Transport& transport, const std::string& host, uint16_t port,
                              const std::string& server_key, std::string_view bytes, int timeout_ms);

}  // namespace pmi
