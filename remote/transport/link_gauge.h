// Whether it pays to compress what is sent: measured on the way, since what a link carries, how fast the compressor is beside
// all else that the machine does, and how far the data can be compressed are known to nobody before. Compressing wins if
// it takes less time than sending what it saves.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pmi {

class LinkGauge {
  public:
    // For the next message of so many bytes.
    bool wants_compression(size_t size);
    void sent(size_t bytes, int64_t ns);
    void compressed(size_t from, size_t to, int64_t ns);

  private:
    // Nanoseconds a byte, and how much was left of a byte; the newer counts for more. 0: nothing is known.
    double send_ns_ = 0, compress_ns_ = 0, left_ = 0;
    unsigned since_trial_ = 0;
};

}  // namespace pmi
