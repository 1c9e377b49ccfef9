// Received bytes of a call channel, cut into frames. Memory grows with what has really arrived, never with
// what a length field promises.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "remote/transport/call_channel.h"
#include "remote/transport/frame_sealer.h"
#include "runtime/base/error.h"

namespace pmi {

class FrameBuffer {
  public:
    explicit FrameBuffer(FrameSealer sealer) : sealer_(std::move(sealer)) {}

    // Room for the next bytes from the socket; then how many were put there.
    std::span<std::byte> room();
    void filled(size_t count);
    // The type of the next whole frame, whose body is opened and added to `body`. Error EBADMSG: what came is no frame of our
    // peer, or too much for one body; nothing after it can be used.
    Expected<std::optional<uint8_t>> next(ByteBuffer& body);
    bool empty() const { return begin_ == end_; }
    // A new connection: the peer begins again with the first frame that next() has not given.
    void forget_bytes() { begin_ = end_ = wanted_ = 0; }

  private:
    size_t available() const { return end_ - begin_; }
    void consume(size_t count);

    FrameSealer sealer_;
    ByteBuffer bytes_;
    size_t begin_ = 0, end_ = 0;
    size_t wanted_ = 0;  // of the frame whose length is known; 0: none
};

}  // namespace pmi
