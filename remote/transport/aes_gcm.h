// AES-256-GCM by Intel's IPsec library, with whatever the CPU has for it (AES-NI, AVX2, VAES with AVX-512): four to five times as
// fast as OpenSSL 3.0's for large frames, and as libsodium's for a call's few bytes.
#pragma once
#include <array>
#include <memory>
#include <span>

#include "remote/transport/frame_sealer.h"

namespace pmi {

using Nonce = std::array<unsigned char, 12>;

// The library looks at the CPU at its first use, which takes some 3 ms: call this where nobody waits.
void warm_up_aes_gcm();

// One key. Not for two threads at once. Only where cipher_available(Cipher::Aes256Gcm).
class AesGcm {
  public:
    explicit AesGcm(const CipherKey& key);
    ~AesGcm();
    AesGcm(AesGcm&&) noexcept;
    AesGcm& operator=(AesGcm&&) noexcept;

    // `to` becomes the sealed text of these pieces, which are as long together, `tag` its tag; `header` is sealed along with it.
    using Pieces = std::span<const std::span<const std::byte>>;
    void seal(const Nonce& nonce, std::span<const std::byte> header, Pieces from, std::span<std::byte> to,
              std::span<std::byte, kSealOverhead> tag);
    // `to` becomes the text, of the same length as `from` (and may be the same memory); false when it isn't what was sealed: then
    // what `to` holds means nothing.
    bool open(const Nonce& nonce, std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
              std::span<const std::byte, kSealOverhead> tag);

  private:
    struct Key;
    std::unique_ptr<Key> key_;
};

}  // namespace pmi
