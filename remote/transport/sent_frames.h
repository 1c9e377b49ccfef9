// What a call channel has sent and may not have arrived: frames as they went out, sealed and numbered, so that after a cut
// they can be sent again, byte for byte, over a new connection. Sealing them anew is not needed: the peer opens each
// number once. Thread-safe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/byte_buffer.h"
#include "runtime/base/error.h"

namespace pmi {

constexpr size_t kMaxSentBytes = size_t{1} << 30;  // beyond that a channel whose peer acknowledges nothing is given up

class SentFrames {
  public:
    // Shared: it may be acknowledged, and forgotten here, while its sender is still in send(2).
    using Bytes = std::shared_ptr<ByteBuffer>;

    // An empty one for the next frame; used again, so that small frames cost no allocation.
    Bytes buffer();
    // The next frame; numbers begin with 1. Error ENOBUFS: too much is waiting.
    Status keep(Bytes frame);
    // What the socket has and what is on its way is no more than this.
    size_t unacknowledged_bytes() const;
    // The peer has all frames up to this one. Error EBADMSG: no such frame was sent.
    Status acknowledge(uint64_t number);
    // Those behind this number, in order. Error EBADMSG: some of them have been acknowledged, or were never sent.
    Expected<std::vector<Bytes>> after(uint64_t number) const;

  private:
    mutable std::mutex lock_;
    std::deque<Bytes> frames_;
    std::vector<Bytes> spare_;
    uint64_t acknowledged_ = 0;
    size_t bytes_ = 0;
};

}  // namespace pmi
