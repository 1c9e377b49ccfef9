// A child whose memory is missing, and comes from outside.
#include "runtime/memory/userfault.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstring>
#include <functional>
#include <optional>

#include "runtime/memory/dirty_tracking.h"

namespace pmi {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPages = 64;

class UserFaultTest : public testing::Test {
  protected:
    void SetUp() override {
        if (auto can = UserFault::probe(); !can) GTEST_SKIP() << can.error().message();
        if (auto can = DirtyTracking::probe(); !can) GTEST_SKIP() << can.error().message();
        memory_ = static_cast<char*>(::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(memory_, MAP_FAILED);
    }
    void TearDown() override {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        if (memory_ != MAP_FAILED) ::munmap(memory_, kPages * kPage);
    }
    // The child's work begins when it is told to; it ends with what that returns.
    void start(const std::function<int()>& work) {
        int to[2], from[2];
        ASSERT_EQ(::pipe(to), 0);
        ASSERT_EQ(::pipe(from), 0);
        Fd device = UserFault::open_device();
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            long fd = device.valid() ? ::ioctl(device.get(), UserFault::kMakeFromDevice, UserFault::kFlags)
                                     : ::syscall(SYS_userfaultfd, UserFault::kFlags);
            (void)!::write(from[1], &fd, sizeof fd);
            char go;
            if (::read(to[0], &go, 1) != 1) ::_exit(99);
            ::_exit(work());
        }
        tell_.reset(to[1]), hear_.reset(from[0]);
        ::close(to[0]), ::close(from[1]);
        long there = -1;
        ASSERT_EQ(::read(hear_.get(), &there, sizeof there), static_cast<ssize_t>(sizeof there));
        Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
        auto made =
            UserFault::adopt(Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), there, 0))), UserFault::Track::Yes);
        ASSERT_TRUE(made) << made.error().message();
        fault_.emplace(std::move(*made));
        auto handled = fault_->handle({at(0), at(kPages)});
        ASSERT_TRUE(handled) << handled.error().message();
        ASSERT_EQ(::write(tell_.get(), "x", 1), 1);
    }
    uint64_t at(size_t n) const { return reinterpret_cast<uint64_t>(memory_) + n * kPage; }
    UserFault::Event next_event() {
        for (;;) {
            pollfd p{fault_->fd(), POLLIN, 0};
            EXPECT_EQ(::poll(&p, 1, 10000), 1);
            auto events = fault_->take_events();
            EXPECT_TRUE(events);
            if (!events->empty()) return events->front();
        }
    }
    int status_of_child() {
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return status;
    }
    static std::vector<std::byte> page_of(char c) { return std::vector<std::byte>(kPage, static_cast<std::byte>(c)); }

    char* memory_ = static_cast<char*>(MAP_FAILED);
    pid_t child_ = -1;
    Fd tell_, hear_;
    std::optional<UserFault> fault_;
};

TEST_F(UserFaultTest, APageComesWhenItIsTouched) {
    start([&] { return memory_[3 * kPage + 7]; });
    auto event = next_event();
    EXPECT_EQ(event.kind, UserFault::Event::Kind::Missing);
    EXPECT_EQ(event.start, at(3));
    EXPECT_EQ(fault_->copy(at(3), page_of('x')).bytes, kPage);
    EXPECT_EQ(WEXITSTATUS(status_of_child()), 'x');
}

TEST_F(UserFaultTest, TheKernelsOwnAccessesWait) {
    int pipe_of_child[2];
    ASSERT_EQ(::pipe(pipe_of_child), 0);
    start([&] { return static_cast<int>(::write(pipe_of_child[1], memory_ + kPage, 5)); });
    EXPECT_EQ(next_event().start, at(1));
    EXPECT_EQ(fault_->copy(at(1), page_of('y')).bytes, kPage);
    EXPECT_EQ(WEXITSTATUS(status_of_child()), 5);
    char got[5];
    ASSERT_EQ(::read(pipe_of_child[0], got, 5), 5);
    EXPECT_EQ(std::memcmp(got, "yyyyy", 5), 0);
}

TEST_F(UserFaultTest, WhatIsGivenBackIsTold) {
    start([&] {
        ::madvise(memory_ + 2 * kPage, 3 * kPage, MADV_DONTNEED);
        ::munmap(memory_ + 8 * kPage, kPage);
        return 0;
    });
    auto event = next_event();
    EXPECT_EQ(event.kind, UserFault::Event::Kind::Gone);
    EXPECT_EQ(event.start, at(2));
    EXPECT_EQ(event.end, at(5));
    event = next_event();
    EXPECT_EQ(event.start, at(8));
    EXPECT_EQ(WEXITSTATUS(status_of_child()), 0);
}

TEST_F(UserFaultTest, WhatWasPutInPlaceIsCleanUntilItIsWritten) {
    start([&] {
        memory_[2 * kPage] = 1;
        return ::pause();
    });
    auto copy = fault_->duplicate();
    ASSERT_TRUE(copy);
    auto tracking = DirtyTracking::share(child_, std::move(*copy));
    ASSERT_TRUE(tracking) << tracking.error().message();
    EXPECT_EQ(next_event().start, at(2));
    std::vector<std::byte> four(4 * kPage, std::byte{'z'});
    EXPECT_EQ(fault_->copy(at(1), four).bytes, 4 * kPage);
    std::vector<PageRun> all{{at(0), at(kPages)}};
    Expected<DirtyTracking::Pages> pages = tracking->look(all);
    for (int i = 0; i < 1000 && pages && pages->clean.bytes() != 3 * kPage; i++) {
        ::usleep(1000);
        pages = tracking->look(all);
    }
    ASSERT_TRUE(pages);
    EXPECT_EQ(pages->own, PageSet({{at(1), at(5)}}));
    EXPECT_EQ(pages->clean, PageSet({{at(1), at(2)}, {at(3), at(5)}}));
}

TEST_F(UserFaultTest, SaysWhyAPageCantBePlaced) {
    start([&] {
        ::munmap(memory_ + 8 * kPage, kPage);
        return ::pause();
    });
    EXPECT_EQ(next_event().start, at(8));
    // Until the child has gone on.
    while (fault_->copy(at(1), page_of('a')).code == EAGAIN) ::usleep(100);
    EXPECT_EQ(fault_->copy(at(1), page_of('b')).code, EEXIST);
    EXPECT_EQ(fault_->zero(at(1), kPage).code, EEXIST);
    EXPECT_EQ(fault_->copy(at(8), page_of('a')).code, ENOENT);
    auto half = fault_->zero(at(0), 3 * kPage);
    EXPECT_EQ(half.bytes, kPage);
    EXPECT_EQ(half.code, EAGAIN);
}

TEST_F(UserFaultTest, APoisonedPageIsNeverRead) {
    start([] { return ::pause(); });
    EXPECT_EQ(fault_->poison(at(5), kPage).bytes, kPage);
    char got[8];
    iovec here{got, sizeof got}, there{memory_ + 5 * kPage, sizeof got};
    EXPECT_EQ(::process_vm_readv(child_, &here, 1, &there, 1, 0), -1);
}

}  // namespace
}  // namespace pmi
