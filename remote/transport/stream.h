// Connections behind interfaces of our own: a request server and client (pmid's port; ZeroMQ with CURVE), and a stream between
// two peers for state and memory (tcp_stream.h). All are encrypted and authenticated unless Security::Insecure was asked for,
// loudly. Not thread-safe: each object belongs to the thread that made it.
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

constexpr size_t kMaxStreamMessage = 64u << 20;   // bytes; a peer that sends more is cut off
constexpr size_t kMaxRequest = 1u << 20;          // bytes, of a request or a reply
constexpr size_t kStreamQueueBytes = 3u << 20;    // on their way at each end before send() waits
constexpr size_t kUsualStreamMessage = 1u << 20;  // for which there is room when can_send() says so
constexpr int kStreamSendTimeoutMs = 30000;       // how long send() waits for a slow peer

// One received message; the bytes stay valid while the object lives (no copy is made of a large one).
class Message {
  public:
    virtual ~Message() = default;
    virtual std::span<const std::byte> bytes() const = 0;
};

// What went compressed, in both directions, before and after.
struct StreamCounts {
    uint64_t compressed_from = 0, compressed_to = 0;
};

// A connection between exactly two peers that keeps order. Each side may send at any time. A peer that ended
// shows at once, a cut link or a dead machine after about 9 s, when what had arrived before has been
// received: ECONNRESET. So does a peer whose queues are full and that takes nothing for 9 s. Closing sends
// what is queued, for 2 s at most.
class Stream {
  public:
    virtual ~Stream() = default;
    // Readable when a message or the peer's end may be waiting: call try_receive until it gives null.
    virtual int poll_fd() const = 0;
    virtual bool is_alive() = 0;  // false when the peer is gone, whatever is still to be received
    // Copies. Blocks (up to timeout) while the peer is slow; Error when the peer is gone.
    virtual Status send(std::span<const std::byte> bytes) = 0;
    // Zero-copy: `release` is called once, from any thread, when the bytes may be reused; after an error too.
    virtual Status send_zero_copy(std::span<const std::byte> bytes, std::function<void()> release) = 0;
    // Whether a message would be taken at once, or within so long. True when the peer is gone: send() says so.
    virtual bool can_send(int wait_ms = 0) = 0;
    virtual Expected<std::unique_ptr<Message>> receive(int timeout_ms) = 0;  // Error ETIMEDOUT
    virtual Expected<std::unique_ptr<Message>> try_receive() = 0;            // null: nothing there
    // Closing it sends nothing more.
    virtual void abandon() = 0;
    virtual StreamCounts counts() = 0;
};

// stream.receive(timeout_ms), looking up with `between` now and then: its Error ends the wait.
Expected<std::unique_ptr<Message>> receive_while(Stream& stream, int timeout_ms, const std::function<Status()>& between);

class Transport {
  public:
    // `ring` may be null only with Security::Insecure. Starts libzmq's I/O thread and, for servers, a ZAP
    // handler that asks ring->trusts() for each client.
    static Expected<std::unique_ptr<Transport>> create(std::shared_ptr<const Keyring> ring, Security security);
    virtual ~Transport() = default;
};

// pmid's end: many clients, each request answered once. `address` may be an IPv6 one; port 0 is any free one.
class RequestServer {
  public:
    static Expected<std::unique_ptr<RequestServer>> listen(Transport& transport, const std::string& address, uint16_t port);
    virtual ~RequestServer() = default;
    virtual int poll_fd() const = 0;
    struct Incoming {
        std::string client;                  // opaque, for reply()
        std::string bytes;                   // a wire::Request, not parsed
        std::string peer_address, user_key;  // for the log and for limits
    };
    virtual Expected<std::unique_ptr<Incoming>> try_receive() = 0;  // null: nothing there
    virtual Status reply(const std::string& client, std::string_view bytes) = 0;
    virtual uint16_t port() const = 0;
};

// A connection to a pmid for several requests, one after the other. server_key is ignored with
// Security::Insecure.
class RequestClient {
  public:
    static Expected<std::unique_ptr<RequestClient>> connect(Transport& transport, const std::string& host, uint16_t port,
                                                            const std::string& server_key, int timeout_ms);
    virtual ~RequestClient() = default;
    virtual Expected<std::string> request(std::string_view bytes, int timeout_ms) = 0;
};

// One request, one reply, with a deadline. The error distinguishes: can't resolve, no answer in time (with
// the hint whether the TCP port is open but the handshake refused: "doesn't accept our key").
Expected<std::string> request(Transport& transport, const std::string& host, uint16_t port, const std::string& server_key,
                              std::string_view bytes, int timeout_ms);

}  // namespace pmi
