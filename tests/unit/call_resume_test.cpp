// A call channel over a connection that is cut again and again: every frame arrives once, in order.
#include "remote/transport/call_resume.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "remote/transport/sent_frames.h"
#include "remote/transport/tcp.h"

namespace {

using namespace pmi;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// Between home and node: passes bytes on, and cuts both connections on request, with what it holds of them.
class Relay {
  public:
    explicit Relay(uint16_t to) : to_(to), listener_(std::move(*listen_tcp("127.0.0.1", &port_))), thread_([this] { run(); }) {}
    ~Relay() {
        stop_ = true;
        thread_.join();
    }
    uint16_t port() const { return port_; }
    void cut() { cut_ = true; }
    void block(bool yes) { blocked_ = yes; }
    int cuts() const { return cuts_; }

  private:
    static void reset(Fd& fd) {
        linger now{1, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        fd.reset();
    }
    // One direction; what its reader has no room for waits here.
    struct Pipe {
        Fd &from, &to;
        std::string held;
        bool move() {
            char buffer[16384];
            if (held.empty()) {
                ssize_t n = ::recv(from.get(), buffer, sizeof buffer, MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
                held.assign(buffer, n > 0 ? static_cast<size_t>(n) : 0);
            }
            ssize_t n = ::send(to.get(), held.data(), held.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN) return false;
            held.erase(0, n > 0 ? static_cast<size_t>(n) : 0);
            return true;
        }
        pollfd item() const { return held.empty() ? pollfd{from.get(), POLLIN, 0} : pollfd{to.get(), POLLOUT, 0}; }
    };
    void run() {
        Pipe out{home_, node_, ""}, back{node_, home_, ""};
        while (!stop_) {
            pollfd items[3] = {out.item(), back.item(), {home_.valid() || blocked_ ? -1 : listener_.get(), POLLIN, 0}};
            ::poll(items, 3, 2);
            bool connected = home_.valid();
            bool ends = connected && !((items[0].revents == 0 || out.move()) && (items[1].revents == 0 || back.move()));
            bool cuts = cut_.exchange(false) && connected;
            if (cuts) cuts_++;
            for (Fd* fd : {&home_, &node_}) {
                if (cuts) reset(*fd);
                if (ends) fd->reset();
            }
            if (cuts || ends) out.held = back.held = "";
            if (items[2].revents != 0) {
                home_.reset(::accept(listener_.get(), nullptr, nullptr));
                auto node = connect_tcp("127.0.0.1", to_, 1000);
                if (node) node_ = std::move(*node);
                if (!node) reset(home_);
            }
        }
    }

    uint16_t to_, port_ = 0;
    Fd listener_, home_, node_;
    std::atomic<bool> stop_{false}, cut_{false}, blocked_{false};
    std::atomic<int> cuts_{0};
    std::thread thread_;
};

class Resumption : public ::testing::TestWithParam<Security> {
  protected:
    void open(int resume_ms) {
        uint16_t port = 0;
        listener_ = std::move(*listen_tcp("127.0.0.1", &port));
        relay_ = std::make_unique<Relay>(port);
        std::thread accepting([&] {
            auto channel = CallChannel::accept(listener_.get(), keys_, GetParam(), 5000, resume_ms);
            ASSERT_TRUE(channel) << channel.error().message();
            node_ = std::move(*channel);
        });
        auto channel = CallChannel::connect("127.0.0.1", relay_->port(), keys_, GetParam(), 5000, resume_ms);
        accepting.join();
        ASSERT_TRUE(channel) << channel.error().message();
        home_ = std::move(*channel);
    }
    // Frames of many sizes, the larger of which go in parts; each time the same ones.
    class Numbered {
      public:
        std::string next() {
            size_t size = chance_() % 8 == 0 ? chance_() % kLargest : chance_() % 200;
            return std::to_string(number_++) + ":" + std::string(size, static_cast<char>('a' + size % 26));
        }

      private:
        static constexpr size_t kLargest = 400'000;
        std::mt19937 chance_{42};
        int number_ = 0;
    };
    static void send_numbered(CallChannel& channel, int count) {
        Numbered numbered;
        for (int i = 0; i < count; i++) {
            auto sent = channel.send(1, {}, as_bytes(numbered.next()));
            ASSERT_TRUE(sent) << sent.error().message();
        }
    }
    static void receive_numbered(CallChannel& channel, int count) {
        Numbered numbered;
        for (int i = 0; i < count; i++) {
            auto frame = channel.receive();
            ASSERT_TRUE(frame) << i << " " << frame.error().message();
            std::string text(reinterpret_cast<const char*>(frame->body.data()), frame->body.size());
            ASSERT_TRUE(text == numbered.next()) << i << ": " << text.size() << " bytes, " << text.substr(0, 20);
        }
    }

    ChannelKeys keys_ = ChannelKeys::random();
    Fd listener_;
    std::unique_ptr<Relay> relay_;
    std::unique_ptr<CallChannel> home_, node_;
};
INSTANTIATE_TEST_SUITE_P(Both, Resumption, ::testing::Values(Security::Curve, Security::Insecure));

TEST_P(Resumption, EveryFrameOnceInOrder) {
    constexpr int kCount = 2000;
    open(20000);
    std::atomic<bool> done{false};
    std::thread cutter([&] {
        std::mt19937 chance(7);
        while (!done) {
            std::this_thread::sleep_for(std::chrono::milliseconds(chance() % 30));
            relay_->cut();
        }
    });
    std::thread a([&] { send_numbered(*home_, kCount); });
    std::thread b([&] { send_numbered(*node_, kCount); });
    // As home does, it receives to the end: that is what brings a connection back.
    std::atomic<bool> home_has_all{false};
    std::thread c([&] {
        receive_numbered(*home_, kCount);
        home_has_all = true;
        EXPECT_FALSE(home_->receive());
    });
    receive_numbered(*node_, kCount);
    while (!home_has_all && !HasFailure()) {
        pollfd items[2] = {{node_->fd(), POLLIN, 0}, {node_->resume_fd(), POLLIN, 0}};
        ::poll(items, 2, 5);
        if (items[1].revents != 0) {
            EXPECT_TRUE(node_->serve_resumption());
        }
        if (items[0].revents != 0) {
            EXPECT_TRUE(node_->try_receive());
        }
    }
    done = true;
    cutter.join();
    home_->shut_down();
    for (auto* t : {&a, &b, &c}) t->join();
    EXPECT_GT(relay_->cuts(), 0);
}

TEST_P(Resumption, FramesOfACutAreKept) {
    open(20000);
    relay_->block(true);
    relay_->cut();
    send_numbered(*home_, 100);
    send_numbered(*node_, 100);
    std::promise<void> has_all;
    std::thread home([&] {
        receive_numbered(*home_, 100);
        has_all.set_value();
        EXPECT_FALSE(home_->receive());  // until it is shut down: whoever receives gets connections back
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    relay_->block(false);
    receive_numbered(*node_, 100);
    has_all.get_future().wait();
    home_->shut_down();
    home.join();
}

TEST_P(Resumption, GivenUpInTheEnd) {
    open(300);
    relay_->block(true);
    relay_->cut();
    std::thread home([&] {
        auto frame = home_->receive();
        ASSERT_FALSE(frame);
        EXPECT_NE(frame.error().message().find("cut"), std::string::npos) << frame.error().message();
    });
    auto frame = node_->receive();
    home.join();
    ASSERT_FALSE(frame);
    EXPECT_NE(frame.error().message().find("home has not come back"), std::string::npos) << frame.error().message();
    EXPECT_FALSE(node_->send(1, {}));
}

TEST_P(Resumption, APeerThatClosesHasEnded) {
    open(20000);
    home_.reset();
    EXPECT_FALSE(node_->receive());
}

TEST_P(Resumption, ShutDownEndsAnAttempt) {
    open(20000);
    relay_->block(true);
    relay_->cut();
    std::thread home([&] { EXPECT_FALSE(home_->receive()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    home_->shut_down();
    home.join();
}

TEST_P(Resumption, StrangersDoNotResume) {
    open(20000);
    std::vector<Fd> strangers;
    for (int i = 0; i < 40; i++) {
        auto fd = connect_tcp("127.0.0.1", relay_->port(), 1000);
        if (!fd) continue;
        auto hello = make_resume_hello(i % 2 == 0 ? ChannelKeys::random() : keys_, 0);
        if (i % 2 == 1) hello[50] ^= 1;
        (void)!::send(fd->get(), hello.data(), hello.size(), MSG_NOSIGNAL);
        strangers.push_back(std::move(*fd));
    }
    std::thread home([&] { receive_numbered(*home_, 50); });
    send_numbered(*node_, 50);
    home.join();
}

TEST(ResumeHandshake, EveryFlippedBitIsRefused) {
    ChannelKeys keys = ChannelKeys::random();
    const auto hello = make_resume_hello(keys, 77);
    ASSERT_EQ(*check_resume_hello(hello, keys), 77u);
    const auto answer = make_resume_answer(hello, keys, 88);
    ASSERT_EQ(*check_resume_answer(hello, answer, keys), 88u);
    const auto confirm = make_resume_confirm(hello, answer, keys);
    ASSERT_TRUE(is_resume_confirm(confirm, hello, answer, keys));
    auto flip = [](auto bytes, size_t bit) {
        bytes[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
        return bytes;
    };
    for (size_t i = 0; i < hello.size() * 8; i++) EXPECT_FALSE(check_resume_hello(flip(hello, i), keys)) << i;
    for (size_t i = 0; i < answer.size() * 8; i++) EXPECT_FALSE(check_resume_answer(hello, flip(answer, i), keys)) << i;
    for (size_t i = 0; i < confirm.size() * 8; i++) EXPECT_FALSE(is_resume_confirm(flip(confirm, i), hello, answer, keys)) << i;
    EXPECT_FALSE(is_resume_confirm(confirm, make_resume_hello(keys, 77), answer, keys));
}

TEST(SentFrames, AcknowledgedOnesAreForgotten) {
    SentFrames sent;
    for (int i = 0; i < 10; i++) {
        auto frame = sent.buffer();
        frame->resize(static_cast<size_t>(i) + 1);
        ASSERT_TRUE(sent.keep(frame));
    }
    EXPECT_EQ(sent.after(0)->size(), 10u);
    ASSERT_TRUE(sent.acknowledge(4));
    EXPECT_TRUE(sent.acknowledge(2));  // an older word
    EXPECT_FALSE(sent.acknowledge(11));
    EXPECT_FALSE(sent.after(3));
    ASSERT_TRUE(sent.after(8));
    EXPECT_EQ(sent.after(8)->front()->size(), 9u);
    EXPECT_TRUE(sent.after(10)->empty());
    EXPECT_FALSE(sent.after(11));
}

}  // namespace
