// A post-copy's two ends: the memory of one child comes to another one that already uses it.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <functional>
#include <thread>

#include "remote/movers/page_server.h"
#include "remote/transport/tcp_stream.h"
#include "remote/wire/frames.h"
#include "runtime/guest/page_fetcher.h"
#include "runtime/memory/dirty_tracking.h"

namespace pmi {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPages = 2000;

struct Ends {
    PageLines home, node;
};

class PageFollowTest : public testing::Test {
  protected:
    void SetUp() override {
        if (auto can = UserFault::probe(); !can) GTEST_SKIP() << can.error().message();
        if (auto can = DirtyTracking::probe(); !can) GTEST_SKIP() << can.error().message();
        memory_ =
            static_cast<uint32_t*>(::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory_, MAP_FAILED);
        connect();
    }
    void TearDown() override {
        server_.reset();
        fetcher_.reset();
        for (pid_t pid : {source_, sink_})
            if (pid > 0) {
                ::kill(pid, SIGKILL);
                ::waitpid(pid, nullptr, 0);
            }
        if (memory_ != MAP_FAILED) ::munmap(memory_, kPages * kPage);
    }

    uint64_t at(size_t n) const { return reinterpret_cast<uint64_t>(memory_) + n * kPage; }
    uint32_t& first_of(size_t n) const { return memory_[n * kPage / 4]; }

    // Page n of the source holds n; each tenth one zeros. The sink does its work when its memory is expected.
    void start(const std::function<int()>& work) {
        int filled[2], made[2], go[2];
        ASSERT_EQ(::pipe(filled) + ::pipe(made) + ::pipe(go), 0);
        source_ = ::fork();
        if (source_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (size_t n = 0; n < kPages; n++) first_of(n) = n % 10 == 0 ? 0 : static_cast<uint32_t>(n);
            (void)!::write(filled[1], "x", 1);
            for (;;) ::pause();
        }
        char done;
        ASSERT_EQ(::read(filled[0], &done, 1), 1);
        Fd device = UserFault::open_device();
        sink_ = ::fork();
        if (sink_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            long fd = device.valid() ? ::ioctl(device.get(), UserFault::kMakeFromDevice, UserFault::kFlags)
                                     : ::syscall(SYS_userfaultfd, UserFault::kFlags);
            (void)!::write(made[1], &fd, sizeof fd);
            (void)!::read(go[0], &done, 1);
            ::_exit(work());
        }
        long fd = -1;
        ASSERT_EQ(::read(made[0], &fd, sizeof fd), static_cast<ssize_t>(sizeof fd));
        Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, sink_, 0)));
        auto faults = UserFault::adopt(Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0))), UserFault::Track::Yes);
        ASSERT_TRUE(faults) << faults.error().message();
        auto fetcher = PageFetcher::start(std::move(*faults), std::move(pidfd), std::move(ends_.node));
        ASSERT_TRUE(fetcher);
        fetcher_ = std::move(*fetcher);
        // The last 100 were never there.
        later_ = PageSet({{at(0), at(kPages - 100)}});
        auto server = PageServer::start(source_, 7, later_, std::move(ends_.home));
        ASSERT_TRUE(server) << server.error().message();
        server_ = std::move(*server);
        auto expected = fetcher_->expect(later_, {{at(0), at(kPages)}});
        ASSERT_TRUE(expected) << expected.error().message();
        ASSERT_EQ(::write(go[1], "x", 1), 1);
    }
    void wait_for_news() {
        pollfd p{fetcher_->fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&p, 1, 20000), 1);
        fetcher_->take_news();
    }
    int status_of_sink() {
        int status = 0;
        ::waitpid(sink_, &status, 0);
        sink_ = -1;
        return status;
    }
    int wrong_pages(size_t from, size_t step) const {
        int wrong = 0;
        for (size_t n = from; n < kPages; n += step)
            if (first_of(n) != (n >= kPages - 100 || n % 10 == 0 ? 0 : n)) wrong++;
        return std::min(wrong, 100);
    }

    uint32_t* memory_ = static_cast<uint32_t*>(MAP_FAILED);
    pid_t source_ = -1, sink_ = -1;
    Ends ends_;
    PageSet later_;
    std::unique_ptr<PageServer> server_;
    std::unique_ptr<PageFetcher> fetcher_;

  private:
    void connect() {
        ChannelKeys keys = ChannelKeys::random();
        uint16_t demand = 0, push = 0;
        auto listener = listen_tcp("127.0.0.1", &demand);
        ASSERT_TRUE(listener);
        auto node_push = listen_stream("127.0.0.1", keys, Security::Curve, &push);
        ASSERT_TRUE(node_push);
        ends_.node.push = std::move(*node_push);
        std::thread node([&] {
            auto channel = CallChannel::accept(listener->get(), keys, Security::Curve, 5000);
            if (channel) ends_.node.demand = std::move(*channel);
        });
        auto channel = CallChannel::connect("127.0.0.1", demand, keys, Security::Curve, 5000);
        auto home_push = connect_stream("127.0.0.1", push, keys, Security::Curve, 5000);
        node.join();
        ASSERT_TRUE(channel && home_push && ends_.node.demand);
        ends_.home.demand = std::move(*channel);
        ends_.home.push = std::move(*home_push);
    }
};

TEST_F(PageFollowTest, WhatIsTouchedComesBeforeAnythingIsPushed) {
    start([&] { return wrong_pages(1501, 1) + wrong_pages(3, 700); });
    EXPECT_EQ(status_of_sink(), 0);
    EXPECT_GE(server_->counts().demanded, 399U);
    EXPECT_FALSE(fetcher_->is_complete());
}

TEST_F(PageFollowTest, AllOfItIsPushedWhileItIsUsed) {
    start([&] { return wrong_pages(0, 7) + wrong_pages(1, 7) + wrong_pages(0, 1); });
    server_->begin_push();
    wait_for_news();
    EXPECT_TRUE(fetcher_->is_complete());
    EXPECT_EQ(status_of_sink(), 0);
    EXPECT_EQ(server_->counts().sent, kPages - 100);
}

TEST_F(PageFollowTest, WhatIsWrittenOrGivenBackStaysSo) {
    start([&] {
        for (size_t n = 1; n < kPages; n += 3) first_of(n) = 77;
        ::madvise(memory_ + 500 * kPage / 4, 20 * kPage, MADV_DONTNEED);
        ::mprotect(memory_ + 800 * kPage / 4, 3 * kPage, PROT_READ);
        return ::pause();
    });
    server_->begin_push();
    wait_for_news();
    for (size_t n = 0; n < kPages; n++) {
        uint32_t got = 1;
        iovec here{&got, sizeof got}, there{&first_of(n), sizeof got};
        uint32_t original = n >= kPages - 100 || n % 10 == 0 ? 0 : static_cast<uint32_t>(n);
        uint32_t expected = n >= 500 && n < 520 ? 0 : n % 3 == 1 ? 77 : original;
        // The sink may still be at it: then it is the page's former value.
        for (int i = 0; i < 5000; i++) {
            ASSERT_EQ(::process_vm_readv(sink_, &here, 1, &there, 1, 0), static_cast<ssize_t>(sizeof got));
            if (got == expected) break;
            ::usleep(1000);
        }
        ASSERT_EQ(got, expected) << n;
    }
}

TEST_F(PageFollowTest, TheRestIsAskedForWhenThePushIsLost) {
    ends_.home.push->abandon();
    ends_.home.push.reset();
    // Something that is no stream's end of this one, so that the server has one.
    ChannelKeys keys = ChannelKeys::random();
    uint16_t port = 0;
    auto nowhere = listen_stream("127.0.0.1", keys, Security::Insecure, &port);
    ASSERT_TRUE(nowhere);
    auto lost = connect_stream("127.0.0.1", port, keys, Security::Insecure, 5000);
    ASSERT_TRUE(lost);
    ends_.home.push = std::move(*lost);
    start([&] { return wrong_pages(0, 1); });
    wait_for_news();
    EXPECT_TRUE(fetcher_->is_complete());
    EXPECT_EQ(status_of_sink(), 0);
}

TEST_F(PageFollowTest, WhatCantBeHadKillsAndIsNeverSeen) {
    start([&] { return wrong_pages(5, 1); });
    for (int i = 0; i < 5000 && server_->counts().demanded == 0; i++) ::usleep(1000);
    server_.reset();
    wait_for_news();
    EXPECT_FALSE(fetcher_->is_complete());
    ASSERT_TRUE(fetcher_->failure());
    EXPECT_NE(fetcher_->failure()->find("is gone"), std::string::npos) << *fetcher_->failure();
    int status = status_of_sink();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST_F(PageFollowTest, WhoReadsItMeanwhileGetsAnError) {
    start([&] { return ::pause(); });
    char got[16];
    ssize_t read = 0;
    std::thread reader([&] {
        iovec here{got, sizeof got}, there{&first_of(1000), sizeof got};
        ::kill(source_, SIGKILL);
        ::waitpid(source_, nullptr, 0);
        source_ = -1;
        read = ::process_vm_readv(sink_, &here, 1, &there, 1, 0);
    });
    reader.join();
    EXPECT_EQ(read, -1);
    wait_for_news();
    ASSERT_TRUE(fetcher_->failure());
    EXPECT_EQ(*fetcher_->failure(), "");  // its program has ended
}

}  // namespace
}  // namespace pmi
