// The call channel: forwarded calls and what must stay in order with them (signals, exits, freezes). One TCP
// connection with TCP_NODELAY, one write a frame, AEAD (frame_sealer.h; a counter as nonce, one key a
// direction) on each; call_handshake.h says how it starts. A dead peer or a cut link is noticed after about 9
// s, and so is a peer that lets its receive buffer stay full for so long. Frame on the wire: u32 length of
// what follows (<= kMaxFrame), sealed{ body, u64 frames received, u8 type }. With Security::Insecure the frames are
// in clear. What is large goes in parts, each a frame on the wire, so that the peer opens one while the next is sealed.
// A connection that is cut (a dead link, a lost route, a reset) is made again, and no frame is lost or comes twice; until
// then send() keeps what it is given. A peer that closes has ended.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "remote/transport/stream.h"
#include "runtime/base/byte_buffer.h"
#include "runtime/base/error.h"
#include "runtime/base/fd.h"

namespace pmi {

constexpr int kMaxReconnectSeconds = 86400;
constexpr uint32_t kMaxFrame = 272u << 20;  // bytes: a full arena and its tables

struct Frame {
    uint8_t type = 0;
    ByteBuffer body;
};

struct ChannelKeys {
    std::array<unsigned char, 32> to_node{};
    std::array<unsigned char, 32> to_home{};
    std::array<unsigned char, 16> token{};  // sent first by home, in clear; must match
    static ChannelKeys random();
};

class CallChannel {
  public:
    enum class Side { Home, Node };
    // Home connects, node accepts; `listener` is a listening TCP socket. Both fail after timeout_ms. For resume_ms a
    // connection that is cut is tried to be had again; 0: a cut is the end.
    static Expected<std::unique_ptr<CallChannel>> connect(const std::string& host, uint16_t port, const ChannelKeys& keys,
                                                          Security security, int timeout_ms, int resume_ms = 0);
    static Expected<std::unique_ptr<CallChannel>> accept(int listener, const ChannelKeys& keys, Security security, int timeout_ms,
                                                         int resume_ms = 0);
    ~CallChannel();

    int fd() const;  // the node's: -1 while the connection is cut
    // The node's, for its event loop: when this is readable, serve_resumption(). Its Error: home has not come back.
    int resume_fd() const;
    Status serve_resumption();
    bool is_cut() const;
    // Thread-safe; frames of one thread keep their order. Blocks while the peer is slow. Body may be in several
    // parts so that no copy is needed to put a header before data.
    Status send(uint8_t type, std::span<const std::byte> head, std::span<const std::byte> tail = {});
    Status send(uint8_t type, std::span<const std::byte> head, const std::vector<std::span<const std::byte>>& tail);
    // The same for the receiving thread, which may never wait for the peer: small frames, and none while somebody else sends or the
    // peer is slow. False: nothing was done.
    static constexpr size_t kSmallFrame = 8u << 10;  // bytes
    Expected<bool> try_send(uint8_t type, std::span<const std::byte> head, const std::vector<std::span<const std::byte>>& tail);
    // One receiving thread. Blocks.
    Expected<Frame> receive();
    // One receiving thread, for an event loop on fd(): nothing when no whole frame is there yet. Call it until it gives
    // nothing, or has_read_ahead() says no: what was read ahead is not seen at fd() any more. Error (ECONNRESET) when the
    // peer closed.
    Expected<std::optional<Frame>> try_receive();
    bool has_read_ahead() const;
    // The receiving thread's: whether it is worth to try_receive(). Reads what has come, which costs less than to ask for it.
    bool read_ahead();
    // Makes both ends' receives fail, from any thread.
    void shut_down();

  private:
    struct State;
    explicit CallChannel(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// A listening TCP socket on address and a free port.
Expected<Fd> listen_tcp(const std::string& address, uint16_t* port);

}  // namespace pmi
