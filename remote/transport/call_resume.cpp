#include "remote/transport/call_resume.h"

#include <sodium.h>

#include <cstring>

#include "remote/transport/keyed_hash.h"

namespace pmi {
namespace {

constexpr unsigned char kMagic[4] = {'P', 'M', 'I', 'R'};
constexpr unsigned char kVersion = 1;
constexpr size_t kMac = 16, kRandom = 16;
constexpr size_t kTokenAt = 8, kHelloRandomAt = 24, kHelloReceivedAt = 40, kHelloMacAt = 48;
constexpr size_t kAnswerRandomAt = 8, kAnswerReceivedAt = 24, kAnswerMacAt = 32;

void begin(unsigned char* message) {
    PMI_ASSERT(::sodium_init() >= 0);
    std::memcpy(message, kMagic, sizeof kMagic);
    message[4] = kVersion;
}

Status check_start(const unsigned char* message) {
    if (std::memcmp(message, kMagic, sizeof kMagic) != 0) return fail_code(EPROTO, "call channel: no peer that resumes");
    if (message[4] != kVersion) return fail_code(EPROTO, "call channel: resumption of version {}, not {}", message[4], kVersion);
    return {};
}

void hello_mac(const ResumeHello& hello, const ChannelKeys& keys, unsigned char* mac) {
    KeyedHash(keys.to_node, kMac).add(hello.data(), kHelloMacAt).finish(mac, kMac);
}

void answer_mac(const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys, unsigned char* mac) {
    KeyedHash(keys.to_home, kMac).add(hello.data(), hello.size()).add(answer.data(), kAnswerMacAt).finish(mac, kMac);
}

}  // namespace

ResumeHello make_resume_hello(const ChannelKeys& keys, uint64_t received) {
    ResumeHello hello{};
    begin(hello.data());
    std::memcpy(hello.data() + kTokenAt, keys.token.data(), keys.token.size());
    ::randombytes_buf(hello.data() + kHelloRandomAt, kRandom);
    std::memcpy(hello.data() + kHelloReceivedAt, &received, sizeof received);
    hello_mac(hello, keys, hello.data() + kHelloMacAt);
    return hello;
}

Expected<uint64_t> check_resume_hello(const ResumeHello& hello, const ChannelKeys& keys) {
    PMI_ASSERT(::sodium_init() >= 0);
    TRY(check_start(hello.data()));
    unsigned char mac[kMac];
    hello_mac(hello, keys, mac);
    bool token_ok = ::sodium_memcmp(hello.data() + kTokenAt, keys.token.data(), keys.token.size()) == 0;
    bool mac_ok = ::sodium_memcmp(hello.data() + kHelloMacAt, mac, kMac) == 0;
    if (!token_ok || !mac_ok) return fail_code(EACCES, "call channel: wrong token");
    uint64_t received = 0;
    std::memcpy(&received, hello.data() + kHelloReceivedAt, sizeof received);
    return received;
}

ResumeAnswer make_resume_answer(const ResumeHello& hello, const ChannelKeys& keys, uint64_t received) {
    ResumeAnswer answer{};
    begin(answer.data());
    ::randombytes_buf(answer.data() + kAnswerRandomAt, kRandom);
    std::memcpy(answer.data() + kAnswerReceivedAt, &received, sizeof received);
    answer_mac(hello, answer, keys, answer.data() + kAnswerMacAt);
    return answer;
}

Expected<uint64_t> check_resume_answer(const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys) {
    TRY(check_start(answer.data()));
    unsigned char mac[kMac];
    answer_mac(hello, answer, keys, mac);
    if (::sodium_memcmp(answer.data() + kAnswerMacAt, mac, kMac) != 0)
        return fail_code(EACCES, "call channel: the node doesn't know the keys");
    uint64_t received = 0;
    std::memcpy(&received, answer.data() + kAnswerReceivedAt, sizeof received);
    return received;
}

ResumeConfirm make_resume_confirm(const ResumeHello& hello, const ResumeAnswer& answer, const ChannelKeys& keys) {
    ResumeConfirm confirm{};
    KeyedHash(keys.to_node, kMac).add(hello.data(), hello.size()).add(answer.data(), answer.size()).finish(confirm.data(), kMac);
    return confirm;
}

bool is_resume_confirm(const ResumeConfirm& confirm, const ResumeHello& hello, const ResumeAnswer& answer,
                       const ChannelKeys& keys) {
    ResumeConfirm right = make_resume_confirm(hello, answer, keys);
    return ::sodium_memcmp(confirm.data(), right.data(), right.size()) == 0;
}

}  // namespace pmi
