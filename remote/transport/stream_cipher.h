// What seals the frames of a stream in one direction. As call_cipher.h, but made for large frames: OpenSSL's AES-256-GCM is
// two to three times as fast as libsodium's for these, and slower for a call's few bytes.
#pragma once
#include <memory>
#include <span>

#include "remote/transport/call_cipher.h"
#include "runtime/base/error.h"

namespace pmi {

// OpenSSL reads its configuration and looks a cipher up at its first use, which takes 2 ms: call this where nobody waits.
void warm_up_ciphers();

class BulkSealer {
  public:
    static Expected<BulkSealer> create(Cipher cipher, const CipherKey& key);
    ~BulkSealer();
    BulkSealer(BulkSealer&&) noexcept;
    BulkSealer& operator=(BulkSealer&&) noexcept;

    // `to` becomes the sealed text, of the same length as `from` (and may be the same memory), `tag` its tag. `header` is
    // sealed along with it. Cipher::None copies.
    Status seal(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                std::span<std::byte, kSealOverhead> tag);
    // The same for a text in pieces.
    using Pieces = std::span<const std::span<const std::byte>>;
    Status seal(std::span<const std::byte> header, Pieces from, std::span<std::byte> to, std::span<std::byte, kSealOverhead> tag);
    // The reverse; an Error when the frame isn't what the peer sealed.
    Status open(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                std::span<const std::byte, kSealOverhead> tag);

    // The number of the next frame, for who seals or opens others of the same sequence elsewhere.
    void count_from(uint64_t number) { count_ = number; }
    size_t overhead() const { return cipher_ == Cipher::None ? 0 : kSealOverhead; }

  private:
    struct Context;
    explicit BulkSealer(Cipher cipher);
    Cipher cipher_;
    std::unique_ptr<Context> context_;  // null with Cipher::None
    uint64_t count_ = 0;
};

}  // namespace pmi
