// What seals the frames of a call channel or of a stream in one direction: AES-256-GCM where both CPUs have it (aes_gcm.h), else
// ChaCha20-Poly1305-IETF, by libsodium. A key seals frame 0, 1, 2...: the number is the nonce, so a frame that is repeated, left
// out or moved doesn't open.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pmi {

enum class Cipher : uint8_t { None = 0, ChaCha20 = 1, Aes256Gcm = 2 };
constexpr size_t kSealOverhead = 16;  // bytes that sealing adds
using CipherKey = std::array<unsigned char, 32>;

bool cipher_available(Cipher cipher);
// The first sealer of a process takes some 3 ms: call this where nobody waits.
void warm_up_ciphers();

// Not for two threads at once.
class FrameSealer {
  public:
    FrameSealer(Cipher cipher, const CipherKey& key);
    ~FrameSealer();
    FrameSealer(FrameSealer&&) noexcept;
    FrameSealer& operator=(FrameSealer&&) = delete;

    // `to` becomes the sealed text of these pieces, which are as long together, `tag` its tag. `header` (the length) is sealed
    // along with it. Cipher::None copies.
    using Pieces = std::span<const std::span<const std::byte>>;
    void seal(std::span<const std::byte> header, Pieces from, std::span<std::byte> to, std::span<std::byte, kSealOverhead> tag);
    // `to` becomes the text, of the same length as `from` (and may be the same memory); false when the frame isn't what the peer
    // sealed.
    bool open(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
              std::span<const std::byte, kSealOverhead> tag);

    size_t overhead() const { return cipher_ == Cipher::None ? 0 : kSealOverhead; }

  private:
    struct Key;
    Cipher cipher_;
    std::unique_ptr<Key> key_;
    uint64_t count_ = 0;
};

}  // namespace pmi
