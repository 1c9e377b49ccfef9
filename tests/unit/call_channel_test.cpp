#include "remote/transport/call_channel.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "remote/transport/call_handshake.h"
#include "remote/transport/frame_buffer.h"
#include "remote/transport/frame_sealer.h"
#include "remote/transport/tcp.h"

namespace {

using namespace pmi;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
std::string as_text(const Frame& frame) { return {reinterpret_cast<const char*>(frame.body.data()), frame.body.size()}; }

struct Pair {
    std::unique_ptr<CallChannel> home, node;
};

Pair make_pair(Security security = Security::Curve, const std::string& address = "127.0.0.1") {
    ChannelKeys keys = ChannelKeys::random();
    uint16_t port = 0;
    auto listener = listen_tcp(address, &port);
    EXPECT_TRUE(listener);
    Pair pair;
    std::thread node([&] {
        auto channel = CallChannel::accept(listener->get(), keys, security, 5000);
        EXPECT_TRUE(channel) << channel.error().message();
        if (channel) pair.node = std::move(*channel);
    });
    auto channel = CallChannel::connect(address, port, keys, security, 5000);
    EXPECT_TRUE(channel) << channel.error().message();
    if (channel) pair.home = std::move(*channel);
    node.join();
    return pair;
}

class CallChannelTest : public ::testing::TestWithParam<Security> {};
INSTANTIATE_TEST_SUITE_P(Both, CallChannelTest, ::testing::Values(Security::Curve, Security::Insecure));

TEST_P(CallChannelTest, BothWays) {
    Pair p = make_pair(GetParam());
    for (int i = 0; i < 100; i++) {
        ASSERT_TRUE(p.home->send(7, as_bytes("head"), as_bytes("tail" + std::to_string(i))));
        auto there = p.node->receive();
        ASSERT_TRUE(there) << there.error().message();
        EXPECT_EQ(there->type, 7);
        EXPECT_EQ(as_text(*there), "headtail" + std::to_string(i));
        ASSERT_TRUE(p.node->send(0, {}));
        auto back = p.home->receive();
        ASSERT_TRUE(back);
        EXPECT_EQ(back->type, 0);
        EXPECT_TRUE(back->body.empty());
    }
}

TEST_P(CallChannelTest, LargeFrames) {
    Pair p = make_pair(GetParam());
    for (size_t size : {size_t{65535}, size_t{1} << 20, (size_t{9} << 20) + 3}) {
        std::string body(size, 'b');
        body.back() = 'e';
        std::thread sender([&] { EXPECT_TRUE(p.home->send(1, as_bytes("h"), as_bytes(body))); });
        auto got = p.node->receive();
        sender.join();
        ASSERT_TRUE(got);
        EXPECT_EQ(as_text(*got), "h" + body);
    }
    EXPECT_TRUE(p.home->send(2, as_bytes("small again")));
    EXPECT_TRUE(p.node->receive());
}

TEST_P(CallChannelTest, ManySendersOneReceiver) {
    Pair p = make_pair(GetParam());
    constexpr int kThreads = 4, kEach = 500;
    std::vector<std::thread> senders;
    for (int t = 0; t < kThreads; t++)
        senders.emplace_back([&, t] {
            for (int i = 0; i < kEach; i++)
                EXPECT_TRUE(p.home->send(static_cast<uint8_t>(t), as_bytes(std::to_string(i)), as_bytes(std::string(i, 'x'))));
        });
    int next[kThreads] = {};
    for (int i = 0; i < kThreads * kEach; i++) {
        auto got = p.node->receive();
        ASSERT_TRUE(got) << got.error().message();
        EXPECT_EQ(as_text(*got), std::to_string(next[got->type]) + std::string(next[got->type], 'x'));
        next[got->type]++;
    }
    for (auto& t : senders) t.join();
}

TEST_P(CallChannelTest, TryReceive) {
    Pair p = make_pair(GetParam());
    auto none = p.node->try_receive();
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->has_value());
    for (int i = 0; i < 3; i++) ASSERT_TRUE(p.home->send(1, as_bytes("frame")));
    int got = 0;
    while (got < 3) {
        pollfd item{p.node->fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&item, 1, 5000), 1);
        for (;;) {
            auto frame = p.node->try_receive();
            ASSERT_TRUE(frame);
            if (!frame->has_value()) break;
            got++;
        }
    }
    p.home.reset();
    pollfd item{p.node->fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&item, 1, 5000), 1);
    auto end = p.node->try_receive();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), ECONNRESET);
    EXPECT_FALSE(p.node->try_receive());
}

TEST_P(CallChannelTest, ShutDownWakesBothReceivers) {
    Pair p = make_pair(GetParam());
    std::thread a([&] { EXPECT_FALSE(p.home->receive()); });
    std::thread b([&] { EXPECT_FALSE(p.node->receive()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    p.home->shut_down();
    a.join();
    b.join();
    EXPECT_FALSE(p.home->send(1, as_bytes("x")));  // and no SIGPIPE
}

TEST_P(CallChannelTest, ShutDownWakesABlockedSender) {
    Pair p = make_pair(GetParam());
    std::string big(32 << 20, 'x');
    std::thread sender([&] { EXPECT_FALSE(p.home->send(1, as_bytes(big))); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    p.home->shut_down();
    sender.join();
}

TEST(CallChannel, IPv6) {
    Pair p = make_pair(Security::Curve, "[::1]");
    ASSERT_TRUE(p.node->send(1, as_bytes("x")));
    EXPECT_TRUE(p.home->receive());
}

TEST(CallChannel, TooLongIsRefusedHere) {
    Pair p = make_pair();
    std::span<const std::byte> impossible(reinterpret_cast<const std::byte*>(&p), kMaxFrame);
    auto sent = p.home->send(1, impossible);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code(), EMSGSIZE);
    EXPECT_TRUE(p.home->send(1, as_bytes("still fine")));
}

TEST(CallChannel, AcceptPassesOverStrangers) {
    ChannelKeys keys = ChannelKeys::random();
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);
    ASSERT_TRUE(listener);
    std::unique_ptr<CallChannel> node;
    std::thread accepting([&] {
        auto channel = CallChannel::accept(listener->get(), keys, Security::Curve, 5000);
        ASSERT_TRUE(channel) << channel.error().message();
        node = std::move(*channel);
    });
    std::vector<Fd> strangers;
    for (int i = 0; i < 30; i++) {
        auto stranger = connect_tcp("127.0.0.1", port, 5000);
        EXPECT_TRUE(stranger) << stranger.error().message();
        if (!stranger) continue;
        strangers.push_back(std::move(*stranger));
        if (i % 3 == 1) {
            EXPECT_GT(::send(strangers.back().get(), "PMIC\1", 5, MSG_NOSIGNAL), 0);
        }
        if (i % 3 == 2) {
            EXPECT_GT(::send(strangers.back().get(), std::string(200, 'x').data(), 200, MSG_NOSIGNAL), 0);
        }
    }
    EXPECT_FALSE(CallChannel::connect("127.0.0.1", port, ChannelKeys::random(), Security::Curve, 2000));
    auto home = CallChannel::connect("127.0.0.1", port, keys, Security::Curve, 3000);
    accepting.join();
    ASSERT_TRUE(home) << home.error().message();
    ASSERT_TRUE((*home)->send(1, as_bytes("hello")));
    EXPECT_TRUE(node->receive());
}

TEST(CallChannel, AcceptTimesOut) {
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);
    auto channel = CallChannel::accept(listener->get(), ChannelKeys::random(), Security::Curve, 100);
    ASSERT_FALSE(channel);
    EXPECT_EQ(channel.error().code(), ETIMEDOUT);
}

TEST(CallChannel, ConnectToSilentPortTimesOut) {
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);
    auto channel = CallChannel::connect("127.0.0.1", port, ChannelKeys::random(), Security::Curve, 200);
    ASSERT_FALSE(channel);
    EXPECT_EQ(channel.error().code(), ETIMEDOUT);
}

TEST(CallChannel, SecurityDiffers) {
    ChannelKeys keys = ChannelKeys::random();
    HelloAnswer answer{};
    EXPECT_FALSE(answer_hello(make_hello(keys, Security::Curve), keys, Security::Insecure, &answer));
    EXPECT_FALSE(answer_hello(make_hello(keys, Security::Insecure), keys, Security::Curve, &answer));
}

TEST(Handshake, EveryFlippedBitIsRefused) {
    ChannelKeys keys = ChannelKeys::random();
    const Hello hello = make_hello(keys, Security::Curve);
    HelloAnswer answer{};
    ASSERT_TRUE(answer_hello(hello, keys, Security::Curve, &answer));
    ASSERT_TRUE(check_answer(hello, answer, keys, Security::Curve));
    for (size_t i = 0; i < hello.size() * 8; i++) {
        Hello bad = hello;
        bad[i / 8] ^= static_cast<unsigned char>(1u << i % 8);
        HelloAnswer ignored{};
        EXPECT_FALSE(answer_hello(bad, keys, Security::Curve, &ignored)) << i;
    }
    for (size_t i = 0; i < answer.size() * 8; i++) {
        HelloAnswer bad = answer;
        bad[i / 8] ^= static_cast<unsigned char>(1u << i % 8);
        EXPECT_FALSE(check_answer(hello, bad, keys, Security::Curve)) << i;
    }
}

TEST(Handshake, SameAgreementNeverGivesTheSameKeysTwice) {
    ChannelKeys keys = ChannelKeys::random();
    Hello hello = make_hello(keys, Security::Curve);
    HelloAnswer one{}, two{};
    auto a = answer_hello(hello, keys, Security::Curve, &one), b = answer_hello(hello, keys, Security::Curve, &two);
    EXPECT_NE(a->to_node, b->to_node);
    EXPECT_NE(a->to_node, a->to_home);
}

class Sealed : public ::testing::TestWithParam<Cipher> {
  protected:
    void SetUp() override {
        if (!cipher_available(GetParam())) GTEST_SKIP() << "not on this CPU";
        key_.fill(42);
        sealer_ = std::make_unique<FrameSealer>(GetParam(), key_);
    }
    std::vector<std::byte> seal(std::string_view text) {
        std::vector<std::byte> frame(4 + text.size() + 16);
        auto length = static_cast<uint32_t>(text.size() + 16);
        std::memcpy(frame.data(), &length, 4);
        std::span<std::byte> all(frame);
        auto bytes = std::as_bytes(std::span(text));
        std::array pieces{bytes.first(bytes.size() / 3), bytes.subspan(bytes.size() / 3)};
        sealer_->seal(all.first(4), pieces, all.subspan(4, text.size()),
                      std::span<std::byte, 16>(frame.data() + 4 + text.size(), 16));
        return frame;
    }
    // The next frame's body.
    static Expected<std::optional<std::string>> next(FrameBuffer& from) {
        ByteBuffer body;
        TRY_ASSIGN(auto type, from.next(body));
        if (!type) return std::optional<std::string>();
        return std::optional(std::string(reinterpret_cast<const char*>(body.data()), body.size()));
    }
    FrameBuffer buffer() { return FrameBuffer(FrameSealer(GetParam(), key_)); }
    static void feed(FrameBuffer& buffer, std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            auto room = buffer.room();
            size_t n = std::min(room.size(), bytes.size());
            std::memcpy(room.data(), bytes.data(), n);
            buffer.filled(n);
            bytes = bytes.subspan(n);
        }
    }
    CipherKey key_{};
    std::unique_ptr<FrameSealer> sealer_;
};
INSTANTIATE_TEST_SUITE_P(Ciphers, Sealed, ::testing::Values(Cipher::ChaCha20, Cipher::Aes256Gcm));

TEST_P(Sealed, ByteByByte) {
    FrameBuffer in = buffer();
    for (int i = 0; i < 5; i++) {
        auto frame = seal("body\7");
        for (size_t k = 0; k < frame.size(); k++) {
            feed(in, std::span(frame).subspan(k, 1));
            auto got = next(in);
            ASSERT_TRUE(got);
            EXPECT_EQ(got->has_value(), k + 1 == frame.size());
            if (got->has_value()) {
                EXPECT_EQ(**got, "body");
            }
        }
    }
    EXPECT_TRUE(in.empty());
}

// Small and large ones, which another library seals, have their numbers in one row.
TEST_P(Sealed, LargeOnesBetweenSmallOnes) {
    FrameBuffer in = buffer();
    for (size_t size : {10, 100'000, 20, 8192, 8191, 1 << 20, 3}) {
        std::string text(size, static_cast<char>('a' + size % 26));
        auto frame = seal(text);
        feed(in, frame);
        auto got = next(in);
        ASSERT_TRUE(got && got->has_value()) << size;
        EXPECT_TRUE(**got == text.substr(0, size - 1)) << size;
        frame[frame.size() / 2] ^= std::byte{1};
        FrameBuffer other = buffer();
        feed(other, frame);
        EXPECT_FALSE(next(other)) << size;
    }
}

TEST_P(Sealed, TamperedRepeatedOmittedSwapped) {
    auto zero = seal("zero\1"), one = seal("one.\1"), two = seal("two.\1");
    for (size_t bit = 0; bit < zero.size() * 8; bit++) {
        auto bad = zero;
        bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
        FrameBuffer in = buffer();
        feed(in, bad);
        auto got = next(in);
        EXPECT_TRUE(!got || !got->has_value()) << bit;  // a longer length only waits
    }
    FrameBuffer repeated = buffer();
    feed(repeated, zero);
    ASSERT_TRUE(next(repeated));
    feed(repeated, zero);
    EXPECT_FALSE(next(repeated));
    FrameBuffer omitted = buffer();
    feed(omitted, zero);
    ASSERT_TRUE(next(omitted));
    feed(omitted, two);
    EXPECT_FALSE(next(omitted));
    FrameBuffer swapped = buffer();
    feed(swapped, one);
    EXPECT_FALSE(next(swapped));
}

TEST_P(Sealed, BadLengths) {
    for (uint32_t length : {0u, 1u, 16u, kMaxFrame + 1, 0xffffffffu}) {
        FrameBuffer in = buffer();
        feed(in, std::as_bytes(std::span(&length, 1)));
        auto got = next(in);
        ASSERT_FALSE(got) << length;
        EXPECT_EQ(got.error().code(), EBADMSG);
    }
}

TEST_P(Sealed, PromisedLengthAllocatesNothing) {
    FrameBuffer in = buffer();
    uint32_t length = kMaxFrame;
    feed(in, std::as_bytes(std::span(&length, 1)));
    ASSERT_TRUE(next(in));
    EXPECT_LE(in.room().size(), 1u << 20);
}

TEST(CallChannel, TruncatedFrameIsAnError) {
    ChannelKeys keys = ChannelKeys::random();
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);
    std::unique_ptr<CallChannel> node;
    std::thread accepting([&] {
        auto channel = CallChannel::accept(listener->get(), keys, Security::Insecure, 5000);
        if (channel) node = std::move(*channel);
    });
    Fd raw = std::move(*connect_tcp("127.0.0.1", port, 1000));
    Hello hello = make_hello(keys, Security::Insecure);
    ASSERT_EQ(::send(raw.get(), hello.data(), hello.size(), MSG_NOSIGNAL), static_cast<ssize_t>(hello.size()));
    accepting.join();
    ASSERT_NE(node, nullptr);
    HelloAnswer answer{};  // unread, it would make the close a reset
    ASSERT_EQ(::recv(raw.get(), answer.data(), answer.size(), MSG_WAITALL), static_cast<ssize_t>(answer.size()));
    ASSERT_EQ(::send(raw.get(), "\x20\0\0\0half", 8, MSG_NOSIGNAL), 8);
    raw.reset();
    auto got = node->receive();
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message().find("within a frame"), std::string::npos) << got.error().message();
}

TEST(CallChannel, LengthOverTheLimitIsAnError) {
    ChannelKeys keys = ChannelKeys::random();
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);
    std::unique_ptr<CallChannel> node;
    std::thread accepting([&] {
        auto channel = CallChannel::accept(listener->get(), keys, Security::Insecure, 5000);
        if (channel) node = std::move(*channel);
    });
    Fd raw = std::move(*connect_tcp("127.0.0.1", port, 1000));
    Hello hello = make_hello(keys, Security::Insecure);
    ASSERT_EQ(::send(raw.get(), hello.data(), hello.size(), MSG_NOSIGNAL), static_cast<ssize_t>(hello.size()));
    accepting.join();
    ASSERT_NE(node, nullptr);
    ASSERT_EQ(::send(raw.get(), "\xff\xff\xff\xff", 4, MSG_NOSIGNAL), 4);
    auto got = node->receive();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), EBADMSG);
}

}  // namespace
