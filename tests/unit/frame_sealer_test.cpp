#include "remote/transport/frame_sealer.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "remote/transport/aes_gcm.h"
#include "remote/transport/raw_bytes.h"

namespace pmi {
namespace {

using Bytes = std::vector<std::byte>;
using Tag = std::array<std::byte, kSealOverhead>;

Bytes bytes_of(const std::string& text) {
    auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}
std::vector<Cipher> all_ciphers() {
    std::vector<Cipher> all{Cipher::None, Cipher::ChaCha20};
    if (cipher_available(Cipher::Aes256Gcm)) all.push_back(Cipher::Aes256Gcm);
    return all;
}
CipherKey some_key() {
    CipherKey key{};
    for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<unsigned char>(3 * i + 1);
    return key;
}
void seal(FrameSealer& sealer, const Bytes& head, std::span<const std::byte> text, Bytes& to, Tag& tag) {
    sealer.seal(head, {&text, 1}, to, tag);
}

TEST(FrameSealer, SealsAndOpens) {
    const Bytes head = bytes_of("head");
    for (Cipher cipher : all_ciphers()) {
        FrameSealer out(cipher, some_key()), in(cipher, some_key());
        for (size_t size : {size_t{0}, size_t{1}, size_t{93}, size_t{100'001}}) {
            Bytes text(size, std::byte{'t'}), sealed(size);
            Tag tag{};
            seal(out, head, text, sealed, tag);
            if (cipher != Cipher::None && size > 1) {
                EXPECT_NE(text, sealed);
            }
            ASSERT_TRUE(in.open(head, sealed, sealed, tag));
            EXPECT_EQ(text, sealed);
        }
    }
}

// Changed, under another header, repeated: none of it opens.
TEST(FrameSealer, NothingElseOpens) {
    auto attempt = [](Cipher cipher, auto change) {
        FrameSealer out(cipher, some_key()), in(cipher, some_key());
        Bytes head = bytes_of("head"), text(1000, std::byte{'t'});
        Tag tag{};
        seal(out, head, text, text, tag);
        change(head, text, tag, in);
        return in.open(head, text, text, tag);
    };
    for (Cipher cipher : all_ciphers()) {
        if (cipher == Cipher::None) continue;
        EXPECT_TRUE(attempt(cipher, [](auto&...) {}));
        EXPECT_FALSE(attempt(cipher, [](auto&, auto& text, auto&, auto&) { text[500] ^= std::byte{1}; }));
        EXPECT_FALSE(attempt(cipher, [](auto&, auto&, auto& tag, auto&) { tag[15] ^= std::byte{1}; }));
        EXPECT_FALSE(attempt(cipher, [](auto& head, auto&, auto&, auto&) { head[0] = std::byte{'x'}; }));
        EXPECT_FALSE(attempt(cipher, [](auto& head, auto& text, auto& tag, auto& in) {
            auto copy = text;
            EXPECT_TRUE(in.open(head, copy, copy, tag));
        }));
    }
}

// Cuts the text into pieces of random lengths, some of them empty.
std::vector<std::span<const std::byte>> in_pieces(std::span<const std::byte> text, std::mt19937& random) {
    std::vector<std::span<const std::byte>> pieces;
    while (!text.empty()) {
        size_t size = std::min<size_t>(text.size(), random() % (random() % 8 == 0 ? 5000 : 70));
        pieces.push_back(text.first(size));
        text = text.subspan(size);
    }
    return pieces;
}

// In whatever pieces: what comes out is what another library makes of the whole.
TEST(AesGcm, IsTheCipherThatOthersHave) {
    if (!cipher_available(Cipher::Aes256Gcm)) GTEST_SKIP() << "this CPU doesn't have it";
    CipherKey key = some_key();
    AesGcm aes(key);
    std::mt19937 random(4711);
    for (int round = 0; round < 400; round++) {
        Bytes text(random() % (round % 20 == 0 ? 70'000 : 700)), head(random() % 40), sealed(text.size()), expected(text.size());
        for (auto* bytes : {&text, &head})
            for (auto& b : *bytes) b = static_cast<std::byte>(random());
        Nonce nonce{};
        for (auto& b : nonce) b = static_cast<unsigned char>(random());
        Tag tag{}, expected_tag{};
        auto pieces = in_pieces(text, random);
        aes.seal(nonce, head, pieces, sealed, tag);
        auto header = std::span<const std::byte>(head);
        ASSERT_EQ(0, ::crypto_aead_aes256gcm_encrypt_detached(raw(std::span(expected)), raw(std::span(expected_tag)), nullptr,
                                                              raw(std::span<const std::byte>(text)), text.size(), raw(header),
                                                              header.size(), nullptr, nonce.data(), key.data()));
        ASSERT_EQ(sealed, expected) << "round " << round;
        ASSERT_EQ(tag, expected_tag) << "round " << round;
        ASSERT_TRUE(aes.open(nonce, head, sealed, sealed, tag));
        ASSERT_EQ(sealed, text) << "round " << round;
    }
}

}  // namespace
}  // namespace pmi
