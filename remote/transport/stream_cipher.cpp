#include "remote/transport/stream_cipher.h"

#include <openssl/evp.h>

#include <array>
#include <climits>
#include <cstring>

#include "remote/transport/raw_bytes.h"

namespace pmi {

struct BulkSealer::Context {
    EVP_CIPHER_CTX* evp = ::EVP_CIPHER_CTX_new();
    ~Context() { ::EVP_CIPHER_CTX_free(evp); }
};

namespace {

constexpr int kNonce = 12;

std::array<unsigned char, kNonce> nonce_of(uint64_t count) {
    std::array<unsigned char, kNonce> nonce{};
    std::memcpy(nonce.data(), &count, sizeof count);
    return nonce;
}

Status copy(std::span<const std::byte> from, std::span<std::byte> to) {
    if (to.data() != from.data() && !from.empty()) std::memcpy(to.data(), from.data(), from.size());
    return {};
}

}  // namespace

void warm_up_ciphers() { (void)BulkSealer::create(cipher_available(Cipher::Aes256Gcm) ? Cipher::Aes256Gcm : Cipher::ChaCha20, {}); }

BulkSealer::BulkSealer(Cipher cipher) : cipher_(cipher) {}
BulkSealer::~BulkSealer() = default;
BulkSealer::BulkSealer(BulkSealer&&) noexcept = default;
BulkSealer& BulkSealer::operator=(BulkSealer&&) noexcept = default;

Expected<BulkSealer> BulkSealer::create(Cipher cipher, const CipherKey& key) {
    BulkSealer sealer(cipher);
    if (cipher == Cipher::None) return sealer;
    sealer.context_ = std::make_unique<Context>();
    const EVP_CIPHER* how = cipher == Cipher::Aes256Gcm ? ::EVP_aes_256_gcm() : ::EVP_chacha20_poly1305();
    EVP_CIPHER_CTX* evp = sealer.context_->evp;
    if (evp == nullptr || ::EVP_CipherInit_ex(evp, how, nullptr, key.data(), nullptr, 1) != 1)
        return fail("stream: OpenSSL has no such cipher");
    return sealer;
}

Status BulkSealer::seal(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                        std::span<std::byte, kSealOverhead> tag) {
    PMI_ASSERT(from.size() == to.size());
    return seal(header, Pieces(&from, 1), to, tag);
}

Status BulkSealer::seal(std::span<const std::byte> header, Pieces from, std::span<std::byte> to,
                        std::span<std::byte, kSealOverhead> tag) {
    PMI_ASSERT(to.size() <= INT_MAX);
    EVP_CIPHER_CTX* evp = cipher_ == Cipher::None ? nullptr : context_->evp;
    auto nonce = nonce_of(count_++);
    int length = 0;
    bool sealed = evp == nullptr || (::EVP_CipherInit_ex(evp, nullptr, nullptr, nullptr, nonce.data(), 1) == 1 &&
                                     ::EVP_CipherUpdate(evp, nullptr, &length, raw(header), static_cast<int>(header.size())) == 1);
    size_t done = 0;
    for (auto piece : from) {
        auto there = to.subspan(done, piece.size());
        done += piece.size();
        if (evp == nullptr)
            TRY(copy(piece, there));
        else
            sealed = sealed && ::EVP_CipherUpdate(evp, raw(there), &length, raw(piece), static_cast<int>(piece.size())) == 1;
    }
    PMI_ASSERT(done == to.size());
    if (evp == nullptr) return {};
    sealed = sealed && ::EVP_CipherFinal_ex(evp, nullptr, &length) == 1 &&
             ::EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, kSealOverhead, tag.data()) == 1;
    return sealed ? Status() : fail("stream: a frame of {} bytes can't be sealed", to.size());
}

Status BulkSealer::open(std::span<const std::byte> header, std::span<const std::byte> from, std::span<std::byte> to,
                        std::span<const std::byte, kSealOverhead> tag) {
    PMI_ASSERT(from.size() == to.size() && from.size() <= INT_MAX);
    if (cipher_ == Cipher::None) return copy(from, to);
    auto nonce = nonce_of(count_++);
    EVP_CIPHER_CTX* evp = context_->evp;
    int length = 0;
    std::array<std::byte, kSealOverhead> expected;  // OpenSSL's interface takes no const
    std::memcpy(expected.data(), tag.data(), tag.size());
    bool opened =
        ::EVP_CipherInit_ex(evp, nullptr, nullptr, nullptr, nonce.data(), 0) == 1 &&
        ::EVP_CipherUpdate(evp, nullptr, &length, raw(header), static_cast<int>(header.size())) == 1 &&
        ::EVP_CipherUpdate(evp, raw(to), &length, raw(from), static_cast<int>(from.size())) == 1 &&
        ::EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, kSealOverhead, expected.data()) == 1 &&
        ::EVP_CipherFinal_ex(evp, nullptr, &length) == 1;
    return opened ? Status() : fail_code(EBADMSG, "stream: a frame that the peer has not sealed");
}

}  // namespace pmi
