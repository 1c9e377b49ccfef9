#include "remote/transport/call_handshake.h"

#include <sodium.h>

#include <cstring>

#include "remote/transport/keyed_hash.h"

namespace pmi {

namespace {

constexpr unsigned char kMagic[4] = {'P', 'M', 'I', 'C'};
constexpr unsigned char kVersion = 1;
constexpr size_t kCipherAt = 5, kTokenAt = 8, kHelloRandomAt = 24, kHelloMacAt = 40;
constexpr size_t kAnswerRandomAt = 8, kAnswerMacAt = 24;
constexpr size_t kMac = 16, kRandom = 16;

using RawKey = std::array<unsigned char, 32>;

void hello_mac(const Hello& hello, const ChannelKeys& keys, unsigned char* mac) {
    KeyedHash(keys.to_node, kMac).add(hello.data(), kHelloMacAt).finish(mac, kMac);
}

void answer_mac(const Hello& hello, const HelloAnswer& answer, const ChannelKeys& keys, unsigned char* mac) {
    KeyedHash(keys.to_home, kMac).add(hello.data(), hello.size()).add(answer.data(), kAnswerMacAt).finish(mac, kMac);
}

unsigned char cipher_bit(Cipher cipher) { return static_cast<unsigned char>(1u << static_cast<unsigned>(cipher)); }

unsigned char offered_ciphers(Security security) {
    if (security == Security::Insecure) return cipher_bit(Cipher::None);
    unsigned char bits = cipher_bit(Cipher::ChaCha20);
    if (cipher_available(Cipher::Aes256Gcm)) bits |= cipher_bit(Cipher::Aes256Gcm);
    return bits;
}

// The best of `offered` that this side has too.
Expected<Cipher> choose_cipher(unsigned char offered, Security security) {
    unsigned char common = offered & offered_ciphers(security);
    for (Cipher cipher : {Cipher::Aes256Gcm, Cipher::ChaCha20, Cipher::None})
        if ((common & cipher_bit(cipher)) != 0) return cipher;
    return fail_code(EPROTO, "call channel: one side runs with --insecure, the other doesn't");
}

SessionKeys derive(const Hello& hello, const HelloAnswer& answer, const ChannelKeys& keys, Cipher cipher) {
    SessionKeys session;
    session.cipher = cipher;
    auto one = [&](const RawKey& key, CipherKey& out) {
        static const char kLabel[] = "pmi call channel frames";
        KeyedHash(key, out.size())
            .add(kLabel, sizeof kLabel)
            .add(hello.data() + kHelloRandomAt, kRandom)
            .add(answer.data() + kAnswerRandomAt, kRandom)
            .add(answer.data() + kCipherAt, 1)
            .finish(out.data(), out.size());
    };
    one(keys.to_node, session.to_node);
    one(keys.to_home, session.to_home);
    return session;
}

Status check_start(const unsigned char* message) {
    if (std::memcmp(message, kMagic, sizeof kMagic) != 0) return fail_code(EPROTO, "call channel: not a pmi peer");
    if (message[4] != kVersion) return fail_code(EPROTO, "call channel: version {}, not {}", message[4], kVersion);
    return {};
}

}  // namespace

ChannelKeys ChannelKeys::random() {
    PMI_ASSERT(::sodium_init() >= 0);
    ChannelKeys keys;
    ::randombytes_buf(keys.to_node.data(), keys.to_node.size());
    ::randombytes_buf(keys.to_home.data(), keys.to_home.size());
    ::randombytes_buf(keys.token.data(), keys.token.size());
    return keys;
}

Hello make_hello(const ChannelKeys& keys, Security security) {
    PMI_ASSERT(::sodium_init() >= 0);
    Hello hello{};
    std::memcpy(hello.data(), kMagic, sizeof kMagic);
    hello[4] = kVersion;
    hello[kCipherAt] = offered_ciphers(security);
    std::memcpy(hello.data() + kTokenAt, keys.token.data(), keys.token.size());
    ::randombytes_buf(hello.data() + kHelloRandomAt, kRandom);
    hello_mac(hello, keys, hello.data() + kHelloMacAt);
    return hello;
}

Expected<SessionKeys> answer_hello(const Hello& hello, const ChannelKeys& keys, Security security, HelloAnswer* answer) {
    PMI_ASSERT(::sodium_init() >= 0);
    TRY(check_start(hello.data()));
    unsigned char mac[kMac];
    hello_mac(hello, keys, mac);
    bool token_ok = ::sodium_memcmp(hello.data() + kTokenAt, keys.token.data(), keys.token.size()) == 0;
    bool mac_ok = ::sodium_memcmp(hello.data() + kHelloMacAt, mac, kMac) == 0;
    if (!token_ok || !mac_ok) return fail_code(EACCES, "call channel: wrong token");
    TRY_ASSIGN(Cipher cipher, choose_cipher(hello[kCipherAt], security));
    *answer = {};
    std::memcpy(answer->data(), kMagic, sizeof kMagic);
    (*answer)[4] = kVersion;
    (*answer)[kCipherAt] = static_cast<unsigned char>(cipher);
    ::randombytes_buf(answer->data() + kAnswerRandomAt, kRandom);
    answer_mac(hello, *answer, keys, answer->data() + kAnswerMacAt);
    return derive(hello, *answer, keys, cipher);
}

Expected<SessionKeys> check_answer(const Hello& hello, const HelloAnswer& answer, const ChannelKeys& keys, Security security) {
    TRY(check_start(answer.data()));
    unsigned char mac[kMac];
    answer_mac(hello, answer, keys, mac);
    if (::sodium_memcmp(answer.data() + kAnswerMacAt, mac, kMac) != 0)
        return fail_code(EACCES, "call channel: the node doesn't know the keys");
    unsigned chosen = answer[kCipherAt];
    if (chosen > static_cast<unsigned>(Cipher::Aes256Gcm) ||
        (offered_ciphers(security) & cipher_bit(static_cast<Cipher>(chosen))) == 0)
        return fail_code(EPROTO, "call channel: the node chose a cipher that wasn't offered");
    return derive(hello, answer, keys, static_cast<Cipher>(chosen));
}

}  // namespace pmi
