#include "remote/transport/call_cipher.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "remote/transport/raw_bytes.h"
#include "remote/transport/stream_cipher.h"
#include "runtime/base/error.h"

namespace pmi {

namespace {

constexpr size_t kLarge = 2u << 10;  // bytes, from which on OpenSSL is the faster one

}  // namespace

struct FrameSealer::Key {
    CipherKey key{};
    alignas(16) crypto_aead_aes256gcm_state schedule{};
    std::optional<BulkSealer> bulk;  // the same cipher and key, once something large comes
    ~Key() {
        ::sodium_memzero(key.data(), key.size());
        ::sodium_memzero(&schedule, sizeof schedule);
    }
};

bool cipher_available(Cipher cipher) {
    PMI_ASSERT(::sodium_init() >= 0);
    return cipher == Cipher::ChaCha20 || (cipher == Cipher::Aes256Gcm && ::crypto_aead_aes256gcm_is_available() != 0);
}

FrameSealer::FrameSealer(Cipher cipher, const CipherKey& key) : cipher_(cipher), key_(std::make_unique<Key>()) {
    PMI_ASSERT(cipher == Cipher::None || cipher_available(cipher));
    key_->key = key;
    if (cipher == Cipher::Aes256Gcm) ::crypto_aead_aes256gcm_beforenm(&key_->schedule, key.data());
}

FrameSealer::~FrameSealer() = default;
FrameSealer::FrameSealer(FrameSealer&&) noexcept = default;

std::array<unsigned char, 12> FrameSealer::next_nonce() {
    static_assert(crypto_aead_aes256gcm_NPUBBYTES == 12 && crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 12);
    std::array<unsigned char, 12> nonce{};
    std::memcpy(nonce.data(), &count_, sizeof count_);
    count_++;
    PMI_ASSERT(count_ != 0);
    return nonce;
}

BulkSealer& FrameSealer::bulk() {
    if (!key_->bulk) {
        auto made = BulkSealer::create(cipher_, key_->key);
        PMI_ASSERT(made);
        key_->bulk.emplace(std::move(*made));
    }
    key_->bulk->count_from(count_++);
    return *key_->bulk;
}

void FrameSealer::seal(std::span<const std::byte> header, Pieces from, std::span<std::byte> to, std::span<std::byte, 16> tag) {
    if (cipher_ == Cipher::None || to.size() >= kLarge) {
        auto sealed = bulk().seal(header, from, to, tag);
        PMI_ASSERT(sealed);
        return;
    }
    auto text = to;
    for (auto piece : from) {
        std::copy(piece.begin(), piece.end(), to.begin());
        to = to.subspan(piece.size());
    }
    auto nonce = next_nonce();
    int code = 0;
    if (cipher_ == Cipher::Aes256Gcm)
        code = ::crypto_aead_aes256gcm_encrypt_detached_afternm(raw(text), raw(tag), nullptr, raw(text), text.size(), raw(header),
                                                                header.size(), nullptr, nonce.data(), &key_->schedule);
    else
        code =
            ::crypto_aead_chacha20poly1305_ietf_encrypt_detached(raw(text), raw(tag), nullptr, raw(text), text.size(), raw(header),
                                                                 header.size(), nullptr, nonce.data(), key_->key.data());
    PMI_ASSERT(code == 0);
}

bool FrameSealer::open(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                       std::span<const std::byte, 16> tag) {
    if (cipher_ == Cipher::None || from.size() >= kLarge) return bulk().open(header, from, to, tag).ok();
    PMI_ASSERT(from.size() == to.size());
    auto nonce = next_nonce();
    if (cipher_ == Cipher::Aes256Gcm)
        return ::crypto_aead_aes256gcm_decrypt_detached_afternm(raw(to), nullptr, raw(from), from.size(), raw(tag), raw(header),
                                                                header.size(), nonce.data(), &key_->schedule) == 0;
    return ::crypto_aead_chacha20poly1305_ietf_decrypt_detached(raw(to), nullptr, raw(from), from.size(), raw(tag), raw(header),
                                                                header.size(), nonce.data(), key_->key.data()) == 0;
}

}  // namespace pmi
