#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "remote/transport/address.h"
#include "remote/transport/call_channel.h"
#include "remote/transport/link_gauge.h"
#include "remote/transport/stream.h"
#include "remote/transport/tcp.h"
#include "remote/transport/tcp_stream.h"

namespace {

using namespace pmi;
using Clock = std::chrono::steady_clock;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
std::string as_text(const Message& message) {
    return {reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size()};
}
long ms_since(Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

class TransportTest : public ::testing::TestWithParam<Security> {
  protected:
    void SetUp() override {
        char name[] = "/tmp/pmi-transport-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        dir_ = name;
        node_ = ring("node");
        home_ = ring("home");
        trust(node_, home_);
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::shared_ptr<Keyring> ring(const std::string& name) {
        auto opened = Keyring::open(dir_ + "/" + name);
        EXPECT_TRUE(opened) << opened.error().message();
        return std::make_shared<Keyring>(std::move(*opened));
    }
    void trust(const std::shared_ptr<Keyring>& who, const std::shared_ptr<Keyring>& whom) {
        ASSERT_TRUE(who->trust(whom->own().public_key, ""));
    }
    std::unique_ptr<Transport> transport(const std::shared_ptr<Keyring>& own, Security security = Security::Curve) {
        auto made = Transport::create(own, security);
        EXPECT_TRUE(made);
        return std::move(*made);
    }
    // A connected pair over `address`.
    void make_streams(Security security = Security::Curve, const std::string& address = "127.0.0.1") {
        auto server = listen_stream(address, keys_, security, &port_);
        ASSERT_TRUE(server) << server.error().message();
        auto client = connect_stream(address, port_, keys_, security, 5000);
        ASSERT_TRUE(client) << client.error().message();
        server_ = std::move(*server);
        client_ = std::move(*client);
    }
    std::string error_of_stream(const ChannelKeys& keys, Security security = Security::Curve, int timeout_ms = 3000) {
        auto stream = connect_stream("127.0.0.1", port_, keys, security, timeout_ms);
        return stream ? "" : stream.error().message();
    }
    // Of a connection to a server of requests.
    std::string error_of_connect(Transport& t, const std::string& host, uint16_t port, const std::string& key,
                                 int timeout_ms = 3000) {
        auto client = RequestClient::connect(t, host, port, key, timeout_ms);
        return client ? "" : client.error().message();
    }

    std::string dir_;
    std::shared_ptr<Keyring> node_, home_;
    ChannelKeys keys_ = ChannelKeys::random();
    std::unique_ptr<Stream> server_, client_;
    uint16_t port_ = 0;
};

TEST_P(TransportTest, StreamBothWaysInOrder) {
    make_streams(GetParam());
    for (int i = 0; i < 500; i++) {
        ASSERT_TRUE(client_->send(as_bytes("c" + std::to_string(i))));
        if (i % 25 == 24)
            for (int k = i - 24; k <= i; k++) {
                auto got = server_->receive(5000);
                ASSERT_TRUE(got) << got.error().message();
                EXPECT_EQ(as_text(**got), "c" + std::to_string(k));
            }
    }
    ASSERT_TRUE(server_->send(as_bytes("answer")));
    auto got = client_->receive(5000);
    ASSERT_TRUE(got);
    EXPECT_EQ(as_text(**got), "answer");
}
INSTANTIATE_TEST_SUITE_P(Both, TransportTest, ::testing::Values(Security::Curve, Security::Insecure));

using Streams = TransportTest;

TEST_F(Streams, IPv6) {
    make_streams(Security::Curve, "::1");
    ASSERT_TRUE(client_->send(as_bytes("six")));
    auto got = server_->receive(5000);
    ASSERT_TRUE(got);
    EXPECT_EQ(as_text(**got), "six");
}

TEST_F(Streams, ZeroCopyReleasesEachOnce) {
    make_streams();
    constexpr int kCount = 60;
    std::vector<std::string> pages(kCount, std::string(256 << 10, 'p'));
    std::atomic<int> released{0};
    std::thread sender([&] {
        for (auto& page : pages) EXPECT_TRUE(client_->send_zero_copy(as_bytes(page), [&] { released++; }));
    });
    for (int i = 0; i < kCount; i++) {
        auto got = server_->receive(10000);
        ASSERT_TRUE(got) << got.error().message();
        EXPECT_EQ((*got)->bytes().size(), 256u << 10);
    }
    sender.join();
    client_.reset();
    EXPECT_EQ(released, kCount);
}

TEST_F(Streams, TooLongIsRefusedHereAndReleased) {
    make_streams();
    std::string big(kMaxStreamMessage + 1, 'x');
    int released = 0;
    EXPECT_FALSE(client_->send(as_bytes(big)));
    EXPECT_FALSE(client_->send_zero_copy(as_bytes(big), [&] { released++; }));
    EXPECT_EQ(released, 1);
    EXPECT_TRUE(client_->send(as_bytes("still alive")));
    EXPECT_TRUE(server_->receive(5000));
}

TEST_F(Streams, PollFdSaysWhenThereIsMore) {
    make_streams();
    auto readable = [](const Stream& s, int timeout) {
        pollfd item{s.poll_fd(), POLLIN, 0};
        return ::poll(&item, 1, timeout) == 1;
    };
    while (true) {  // the start may be signalled
        auto none = server_->try_receive();
        ASSERT_TRUE(none);
        if (!*none) break;
    }
    EXPECT_FALSE(readable(*server_, 50));
    for (int round = 0; round < 50; round++) {
        ASSERT_TRUE(client_->send(as_bytes("one")));
        ASSERT_TRUE(client_->send(as_bytes("two")));
        for (int left = 2; left > 0;) {
            ASSERT_TRUE(readable(*server_, 2000)) << round;
            // A send in between eats libzmq's own edge; the fd must not care.
            ASSERT_TRUE(server_->send(as_bytes("back")));
            auto got = server_->try_receive();
            ASSERT_TRUE(got);
            if (*got) left--;
        }
        auto none = server_->try_receive();
        ASSERT_TRUE(none && !*none);
        EXPECT_FALSE(readable(*server_, 0));
        while (true) {
            auto got = client_->try_receive();
            ASSERT_TRUE(got);
            if (!*got) break;
        }
    }
}

TEST_F(Streams, PeerEndComesAfterItsMessages) {
    make_streams();
    for (int i = 0; i < 10; i++) ASSERT_TRUE(client_->send(as_bytes("last words")));
    client_.reset();
    for (int i = 0; i < 10; i++) ASSERT_TRUE(server_->receive(5000)) << i;
    auto start = Clock::now();
    auto end = server_->receive(5000);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), ECONNRESET);
    EXPECT_LT(ms_since(start), 2000);
    EXPECT_FALSE(server_->send(as_bytes("x")));
    EXPECT_FALSE(server_->try_receive());
}

TEST_F(Streams, ServerEndIsSeenByClientThatNeverHeardFromIt) {
    make_streams();
    server_.reset();
    auto end = client_->receive(5000);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), ECONNRESET);
}

TEST_F(Streams, ClientThatNeverSpokeIsSeenToGo) {
    make_streams();
    client_.reset();
    pollfd item{server_->poll_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&item, 1, 3000), 1);
    auto end = server_->receive(3000);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), ECONNRESET);
}

TEST_F(Streams, OnlyOneClient) {
    make_streams();
    EXPECT_NE(error_of_stream(keys_), "");
    ASSERT_TRUE(client_->send(as_bytes("unharmed")));
    auto got = server_->receive(5000);
    ASSERT_TRUE(got);
    EXPECT_EQ(as_text(**got), "unharmed");
}

TEST_F(Streams, StrangersComeAndGo) {
    auto server = listen_stream("127.0.0.1", keys_, Security::Curve, &port_);
    ASSERT_TRUE(server);
    for (int i = 0; i < 5; i++) {
        EXPECT_NE(error_of_stream(ChannelKeys::random()), "");
        Fd raw = std::move(*connect_tcp("127.0.0.1", port_, 1000));
        ASSERT_EQ(::write(raw.get(), "GET / HTTP/1.0\r\n\r\n", 18), 18);
    }
    auto none = (*server)->receive(100);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), ETIMEDOUT) << none.error().message();
    auto client = connect_stream("127.0.0.1", port_, keys_, Security::Curve, 3000);
    ASSERT_TRUE(client) << client.error().message();
    ASSERT_TRUE((*client)->send(as_bytes("unharmed")));
    EXPECT_TRUE((*server)->receive(5000));
}

TEST_F(Streams, ErrorSecurityOfStreamDiffers) {
    auto server = listen_stream("127.0.0.1", keys_, Security::Curve, &port_);
    ASSERT_TRUE(server);
    EXPECT_NE(error_of_stream(keys_, Security::Insecure), "");
}

TEST_F(Streams, ListenerGoesWithItsStream) {
    auto server = listen_stream("127.0.0.1", keys_, Security::Curve, &port_);
    ASSERT_TRUE(server);
    auto start = Clock::now();
    server->reset();
    EXPECT_LT(ms_since(start), 1000);
    EXPECT_NE(error_of_stream(keys_), "");
}

std::string random_page() {
    std::string page(kUsualStreamMessage, 'p');
    ::randombytes_buf(page.data(), page.size());  // else it would be compressed
    return page;
}

// What is queued has to be bounded, and whoever sends must hear that there is no room.
TEST_F(Streams, NoRoomForMoreWhenThePeerTakesNothing) {
    make_streams();
    std::string page = random_page();
    size_t sent = 0;
    while (client_->can_send(300)) {
        ASSERT_TRUE(client_->send(as_bytes(page)));
        ASSERT_LT(sent += page.size(), 64u << 20);
    }
    EXPECT_GE(sent, kStreamQueueBytes);
    for (size_t at = 0; at < sent; at += page.size()) ASSERT_TRUE(server_->receive(5000));
    EXPECT_TRUE(client_->can_send(1000));
}

TEST_F(Streams, AbandonedSendsNoMore) {
    make_streams();
    std::string page = random_page();
    while (client_->can_send(200)) ASSERT_TRUE(client_->send(as_bytes(page)));
    auto start = Clock::now();
    client_->abandon();
    client_.reset();
    EXPECT_LT(ms_since(start), 1000);
    while (server_->receive(5000)) {
    }
    EXPECT_FALSE(server_->is_alive());
}

// The last words of somebody who goes reach a peer that is still sending.
TEST_F(Streams, LastWordsReachWhoIsStillSending) {
    make_streams();
    std::string page(kUsualStreamMessage, 'p');
    std::thread sender([&] {
        while (client_->send(as_bytes(page))) {
        }
    });
    ASSERT_TRUE(server_->receive(5000));
    ASSERT_TRUE(server_->send(as_bytes("no")));
    server_.reset();
    sender.join();
    auto got = client_->receive(5000);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(as_text(**got), "no");
}

TEST_F(Streams, ErrorUntrusted) {
    auto server_side = transport(node_), stranger = transport(ring("stranger"));
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    uint16_t port = (*server)->port();
    std::string error = error_of_connect(*stranger, "127.0.0.1", port, node_->own().public_key);
    EXPECT_NE(error.find("doesn't accept our key"), std::string::npos) << error;
}

TEST_F(Streams, TrustTakesEffectAtOnce) {
    auto server_side = transport(node_), late = transport(ring("late"));
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    uint16_t port = (*server)->port();
    EXPECT_NE(error_of_connect(*late, "127.0.0.1", port, node_->own().public_key), "");
    trust(node_, ring("late"));
    EXPECT_EQ(error_of_connect(*late, "127.0.0.1", port, node_->own().public_key), "");
}

TEST_F(Streams, ErrorWrongServerKey) {
    auto server_side = transport(node_), client_side = transport(home_);
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    uint16_t port = (*server)->port();
    std::string error = error_of_connect(*client_side, "127.0.0.1", port, home_->own().public_key);
    EXPECT_NE(error.find("has a key that isn't trusted here"), std::string::npos) << error;
}

TEST_F(Streams, ErrorSecurityDiffers) {
    for (auto [theirs, ours] : {std::pair(Security::Curve, Security::Insecure), std::pair(Security::Insecure, Security::Curve)}) {
        auto server_side = transport(node_, theirs), client_side = transport(home_, ours);
        auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
        ASSERT_TRUE(server);
        uint16_t port = (*server)->port();
        std::string error = error_of_connect(*client_side, "127.0.0.1", port, node_->own().public_key);
        EXPECT_NE(error.find("--insecure"), std::string::npos) << error;
    }
}

TEST_F(Streams, ErrorDeadPort) {
    auto client_side = transport(home_);
    uint16_t port = 0;
    { auto closed = listen_tcp("127.0.0.1", &port); }
    auto start = Clock::now();
    std::string error = error_of_connect(*client_side, "127.0.0.1", port, node_->own().public_key, 5000);
    EXPECT_NE(error.find("Connection refused"), std::string::npos) << error;
    EXPECT_LT(ms_since(start), 1000);
}

TEST_F(Streams, ErrorSilentPort) {
    auto client_side = transport(home_);
    uint16_t port = 0;
    auto listener = listen_tcp("127.0.0.1", &port);  // TCP accepts, nobody speaks
    ASSERT_TRUE(listener);
    auto start = Clock::now();
    std::string error = error_of_connect(*client_side, "127.0.0.1", port, node_->own().public_key, 1000);
    EXPECT_NE(error.find("the port is open but"), std::string::npos) << error;
    EXPECT_LT(ms_since(start), 2500);
}

TEST_F(Streams, ErrorNoSuchName) {
    auto client_side = transport(home_);
    auto start = Clock::now();
    std::string error = error_of_connect(*client_side, "no-such-host.invalid", 7700, node_->own().public_key, 3000);
    EXPECT_NE(error.find("resolve no-such-host.invalid"), std::string::npos) << error;
    EXPECT_LT(ms_since(start), 5000);
}

TEST_F(Streams, PortInUse) {
    auto t = transport(node_);
    auto first = RequestServer::listen(*t, "127.0.0.1", 0);
    ASSERT_TRUE(first);
    auto second = RequestServer::listen(*t, "127.0.0.1", (*first)->port());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("Address already in use"), std::string::npos) << second.error().message();
}

// A server thread that answers each request with "re:" and the request, `count` times.
class Echo {
  public:
    Echo(RequestServer& server, int count)
        : thread_([&server, count] {
              for (int done = 0; done < count;) {
                  pollfd item{server.poll_fd(), POLLIN, 0};
                  if (::poll(&item, 1, 10000) <= 0) return;
                  auto incoming = server.try_receive();
                  if (!incoming || !*incoming) continue;
                  (void)server.reply((*incoming)->client, "re:" + (*incoming)->bytes);
                  done++;
              }
          }) {}
    ~Echo() { thread_.join(); }

  private:
    std::thread thread_;
};

TEST_F(Streams, RequestAndReply) {
    auto server_side = transport(node_), client_side = transport(home_);
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    Echo echo(**server, 40);
    auto client = RequestClient::connect(*client_side, "localhost", (*server)->port(), node_->own().public_key, 5000);
    ASSERT_TRUE(client) << client.error().message();
    for (int i = 0; i < 20; i++) {
        auto reply = (*client)->request("r" + std::to_string(i), 5000);
        ASSERT_TRUE(reply);
        EXPECT_EQ(*reply, "re:r" + std::to_string(i));
        auto single = request(*client_side, "127.0.0.1", (*server)->port(), node_->own().public_key, "s", 5000);
        ASSERT_TRUE(single) << single.error().message();
        EXPECT_EQ(*single, "re:s");
    }
}

TEST_F(Streams, RequestNamesItsSender) {
    auto server_side = transport(node_), client_side = transport(home_);
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    uint16_t port = (*server)->port();
    std::thread client([&] {
        auto reply = request(*client_side, "127.0.0.1", port, node_->own().public_key, "hello", 2000);
        EXPECT_FALSE(reply);
        if (!reply) {
            EXPECT_EQ(reply.error().code(), ETIMEDOUT) << reply.error().message();
        }
    });
    pollfd item{(*server)->poll_fd(), POLLIN, 0};
    std::unique_ptr<RequestServer::Incoming> incoming;
    while (!incoming) {
        ASSERT_EQ(::poll(&item, 1, 5000), 1);
        incoming = std::move(*(*server)->try_receive());
    }
    EXPECT_EQ(incoming->bytes, "hello");
    EXPECT_EQ(incoming->user_key, home_->own().public_key);
    EXPECT_EQ(incoming->peer_address, "127.0.0.1");
    client.join();
    bool sent = true;  // until the server has noticed
    for (int i = 0; i < 100 && sent; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        sent = (*server)->reply(incoming->client, "too late").ok();
    }
    EXPECT_FALSE(sent);
    EXPECT_FALSE((*server)->reply("nobody", "x"));
}

TEST_F(Streams, RequestSeesServerDie) {
    auto server_side = transport(node_), client_side = transport(home_);
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    uint16_t port = (*server)->port();
    std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        server->reset();
    });
    auto start = Clock::now();
    auto reply = request(*client_side, "127.0.0.1", port, node_->own().public_key, "hello", 5000);
    killer.join();
    ASSERT_FALSE(reply);
    EXPECT_NE(reply.error().message().find("connection lost"), std::string::npos) << reply.error().message();
    EXPECT_LT(ms_since(start), 2000);
}

TEST_F(Streams, OversizedRequestCutsOnlyItsSender) {
    auto server_side = transport(node_), client_side = transport(home_);
    auto server = RequestServer::listen(*server_side, "127.0.0.1", 0);
    ASSERT_TRUE(server);
    Echo echo(**server, 1);
    uint16_t port = (*server)->port();
    std::string big(kMaxRequest + 1, 'x');
    EXPECT_FALSE(request(*client_side, "127.0.0.1", port, node_->own().public_key, big, 3000));
    EXPECT_TRUE(request(*client_side, "127.0.0.1", port, node_->own().public_key, "ok", 3000));
}

TEST(LinkGauge, CompressesForSlowLinksOnly) {
    constexpr size_t kMessage = 1 << 20;
    auto is_compressed = [&](double send_ns, double compress_ns, double left) {
        LinkGauge gauge;
        int wanted = 0;
        for (int i = 0; i < 200; i++) {
            bool wants = gauge.wants_compression(kMessage);
            wanted += wants;
            double carried = wants ? left : 1;
            if (wants)
                gauge.compressed(kMessage, static_cast<size_t>(left * kMessage), static_cast<int64_t>(compress_ns * kMessage));
            gauge.sent(static_cast<size_t>(carried * kMessage), static_cast<int64_t>(send_ns * carried * kMessage));
        }
        return wanted;
    };
    EXPECT_EQ(is_compressed(0.3, 1.5, 0.4), 0);   // 3 GB/s
    EXPECT_GT(is_compressed(8, 1.5, 0.4), 190);   // 1 Gbit/s
    EXPECT_LT(is_compressed(8, 1.5, 1.0), 20);    // it does not get smaller: tried now and then
    EXPECT_LT(is_compressed(1.5, 1.5, 0.4), 20);  // not worth it
    LinkGauge gauge;
    gauge.sent(kMessage, 100 * kMessage);
    EXPECT_FALSE(gauge.wants_compression(100));
}

// A link that carries little: what can be compressed is, and arrives as it was.
TEST_F(Streams, SlowReaderGetsCompressedFrames) {
    make_streams();
    std::string text;
    while (text.size() < kUsualStreamMessage) text += "all work and no play " + std::to_string(text.size() % 977);
    std::thread sender([&] {
        for (int i = 0; i < 60; i++) EXPECT_TRUE(client_->send(as_bytes(text)));
    });
    for (int i = 0; i < 60; i++) {
        auto got = server_->receive(10000);
        ASSERT_TRUE(got) << got.error().message();
        ASSERT_EQ(as_text(**got), text);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // 100 MB/s
    }
    sender.join();
    StreamCounts sent = client_->counts(), received = server_->counts();
    EXPECT_GT(sent.compressed_from, sent.compressed_to * 2);
    EXPECT_EQ(sent.compressed_from, received.compressed_from);
    EXPECT_EQ(sent.compressed_to, received.compressed_to);
}

TEST(Address, Parse) {
    auto show = [](std::string_view text) {
        auto a = parse_host_port(text);
        return a ? fmt::format("{} {}", a->host, a->port) : a.error().message();
    };
    EXPECT_EQ(show("node"), "node 7700");
    EXPECT_EQ(show("node:1"), "node 1");
    EXPECT_EQ(show("10.0.0.1:65535"), "10.0.0.1 65535");
    EXPECT_EQ(show("[::1]:80"), "::1 80");
    EXPECT_EQ(show("[fe80::1%eth0]"), "fe80::1%eth0 7700");
    for (std::string bad : {"", ":7700", "node:", "node:x", "node:65536", "node:-1", "node:1:2", "::1", "[::1", "[::1]x", "[]:1",
                            "a b", "node:7 ", "a/b:1"})
        EXPECT_FALSE(parse_host_port(bad)) << bad;
}

TEST(Address, DeadPortAndUnreachableByTcp) {
    uint16_t port = 0;
    { auto closed = listen_tcp("127.0.0.1", &port); }
    auto refused = connect_tcp("127.0.0.1", port, 1000);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ECONNREFUSED);
}

}  // namespace
