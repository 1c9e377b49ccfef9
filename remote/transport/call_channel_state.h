// The inside of a call channel. Threads: any may send (under send_lock); one receives, and it alone replaces the connection
// after a cut: home's by connecting again, the node's when home has come back.
//   connected   frames are kept (sent_frames.h) and sent
//   cut         frames are kept; what the peer has not received is sent again, in order, before anything new
//   broken      the end: sends and receives fail
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <thread>

#include "remote/transport/call_channel.h"
#include "remote/transport/call_handshake.h"
#include "remote/transport/frame_buffer.h"
#include "remote/transport/resume_listener.h"
#include "remote/transport/sent_frames.h"

namespace pmi {

struct CallChannel::State {
    struct Setup {
        Side side = Side::Home;
        ChannelKeys keys;
        int resume_ms = 0;
        std::string host;  // home: where to connect again
        uint16_t port = 0;
        std::unique_ptr<ResumeListener> listener;  // node
    };
    State(Fd socket, const SessionKeys& session, Setup made);
    ~State();

    Status send(uint8_t type, std::vector<std::span<const std::byte>> body);
    // Nothing: with MSG_DONTWAIT among the flags, no whole frame is there.
    Expected<std::optional<Frame>> receive(int flags);
    // Reads what is there, without waiting. True: there was something, or there is nothing more to come, as receive() will find.
    bool read_ahead();
    void shut_down();
    // Without waiting, by whoever has send_lock. Never while the connection is cut.
    bool takes_small_frame(size_t size) const;

    // -- call_reconnect.cpp
    // After this, frames are only kept. `code`: what the connection failed with.
    void note_cut(int code);
    // Home's receiving thread: until the connection is back. Error: it won't be.
    Status reconnect();
    // The node's: what its resume_fd() has. Error: home did not come back in time.
    Status serve_resumption();

    const Setup setup;
    const Cipher cipher;
    std::atomic<bool> broken{false}, cut{false};
    std::atomic<int> cut_code{0};

    mutable std::mutex fd_lock;  // held to replace fd, or to use it in a thread that neither sends nor receives
    Fd fd;

    std::mutex send_lock;
    FrameSealer sealer;  // under send_lock
    SentFrames sent;

    FrameBuffer in;                              // the receiving thread's
    std::atomic<uint64_t> received{0}, told{0};  // frames of the peer; of these, how many it has been told of
    size_t untold_bytes = 0;
    ByteBuffer coming;  // the receiving thread's: of the frame that it is to give, as far as its parts have come

    Fd wake;               // home: ends the wait between two attempts
    std::thread resender;  // home: sends again while the receiving thread already receives

  private:
    Status take_trailer(size_t size);
    Status send_frame(uint8_t type, std::span<std::span<const std::byte>> body, size_t size);
    Status transmit(const ByteBuffer& frame);
    void tell_received();
    void replace(Fd connection);
    Status send_again(uint64_t peer_received);
};

}  // namespace pmi
