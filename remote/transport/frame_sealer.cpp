#include "remote/transport/frame_sealer.h"

#include <sodium.h>

#include <cstring>
#include <optional>

#include "remote/transport/aes_gcm.h"
#include "remote/transport/raw_bytes.h"
#include "runtime/base/error.h"

namespace pmi {

namespace {

Nonce nonce_of(uint64_t count) {
    Nonce nonce{};
    static_assert(nonce.size() == crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
    std::memcpy(nonce.data(), &count, sizeof count);
    return nonce;
}

void copy(FrameSealer::Pieces from, std::span<std::byte> to) {
    for (auto piece : from) {
        if (to.data() != piece.data() && !piece.empty()) std::memcpy(to.data(), piece.data(), piece.size());
        to = to.subspan(piece.size());
    }
    PMI_ASSERT(to.empty());
}

}  // namespace

struct FrameSealer::Key {
    CipherKey chacha{};
    std::optional<AesGcm> aes;
    ~Key() { ::sodium_memzero(chacha.data(), chacha.size()); }
};

bool cipher_available(Cipher cipher) {
    PMI_ASSERT(::sodium_init() >= 0);
    return cipher == Cipher::ChaCha20 || (cipher == Cipher::Aes256Gcm && ::crypto_aead_aes256gcm_is_available() != 0);
}

void warm_up_ciphers() {
    if (cipher_available(Cipher::Aes256Gcm)) warm_up_aes_gcm();
}

FrameSealer::FrameSealer(Cipher cipher, const CipherKey& key) : cipher_(cipher), key_(std::make_unique<Key>()) {
    PMI_ASSERT(cipher == Cipher::None || cipher_available(cipher));
    if (cipher == Cipher::ChaCha20) key_->chacha = key;
    if (cipher == Cipher::Aes256Gcm) key_->aes.emplace(key);
}

FrameSealer::~FrameSealer() = default;
FrameSealer::FrameSealer(FrameSealer&&) noexcept = default;

void FrameSealer::seal(std::span<const std::byte> header, Pieces from, std::span<std::byte> to,
                       std::span<std::byte, kSealOverhead> tag) {
    Nonce nonce = nonce_of(count_++);
    if (cipher_ == Cipher::Aes256Gcm) return key_->aes->seal(nonce, header, from, to, tag);
    copy(from, to);
    if (cipher_ == Cipher::None) return;
    int code = ::crypto_aead_chacha20poly1305_ietf_encrypt_detached(raw(to), raw(tag), nullptr, raw(to), to.size(), raw(header),
                                                                    header.size(), nullptr, nonce.data(), key_->chacha.data());
    PMI_ASSERT(code == 0);
}

bool FrameSealer::open(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                       std::span<const std::byte, kSealOverhead> tag) {
    PMI_ASSERT(from.size() == to.size());
    Nonce nonce = nonce_of(count_++);
    if (cipher_ == Cipher::Aes256Gcm) return key_->aes->open(nonce, header, from, to, tag);
    if (cipher_ == Cipher::None) {
        copy({&from, 1}, to);
        return true;
    }
    return ::crypto_aead_chacha20poly1305_ietf_decrypt_detached(raw(to), nullptr, raw(from), from.size(), raw(tag), raw(header),
                                                                header.size(), nonce.data(), key_->chacha.data()) == 0;
}

}  // namespace pmi
