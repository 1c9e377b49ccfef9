// Calls that a stop interrupted, and that can't be left to their threads.
#include "runtime/deputy/unfinished_calls.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr time_t kLimit = 100;  // seconds

// A child that waits at a socket with SO_RCVTIMEO; it ends with 0 if that is all that it sees.
class UnfinishedCallsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0);
        timeval limit{kLimit, 0};
        ASSERT_EQ(::setsockopt(ends_[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            char byte = 0;
            ::_exit(::recv(ends_[0], &byte, 1, 0) == 1 ? 0 : 1);
        }
        wait_for([&] {
            auto text = read_file("/proc/" + std::to_string(pid_) + "/syscall");
            return text && text->starts_with(std::to_string(SYS_recvfrom) + " ");
        });
    }
    void TearDown() override {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, __WALL);
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    static void wait_for(const std::function<bool()>& condition) {
        while (!condition()) ::sched_yield();
    }
    // Its next stop, or its end.
    Stop next_stop() {
        auto status = waiter_.wait(pid_, -1);
        EXPECT_TRUE(status.ok());
        return classify(status ? *status : 0);
    }

    pid_t pid_ = 0;
    int ends_[2] = {-1, -1};
    PlainWaiter waiter_;
    UnfinishedCalls calls_;
};

TEST_F(UnfinishedCallsTest, OneThatStopsLateKeepsItsDeadline) {
    const int64_t began = monotonic_ns() - 40 * kSecond;
    ASSERT_TRUE(seize(pid_, 0).ok());
    ASSERT_TRUE(interrupt(pid_).ok());
    calls_.await_stop(HomePid(pid_), {pid_, began});
    EXPECT_TRUE(calls_.has(HomePid(pid_)));
    EXPECT_FALSE(calls_.empty());

    ASSERT_TRUE(calls_.handle_stop(pid_, next_stop()).ok());
    ASSERT_TRUE(calls_.contains(pid_)) << "its call can't be left to it";
    ASSERT_TRUE(calls_.handle_stop(pid_, next_stop()).ok());  // its call begins again
    EXPECT_EQ(calls_.next_deadline_ns(), began + kLimit * kSecond);

    ASSERT_EQ(::write(ends_[1], "x", 1), 1);
    ASSERT_TRUE(calls_.handle_stop(pid_, next_stop()).ok());
    EXPECT_TRUE(calls_.empty());
    Stop end = next_stop();
    ASSERT_EQ(end.kind, Stop::Kind::Exited);
    EXPECT_EQ(end.status, 0) << "its call was not interrupted";
}

TEST_F(UnfinishedCallsTest, OneThatIsStillToStopIsHeldWithItsBeginning) {
    const int64_t began = monotonic_ns() - 40 * kSecond;
    calls_.await_stop(HomePid(pid_), {pid_, began});
    auto left = calls_.hold(HomePid(pid_), waiter_);
    ASSERT_TRUE(left.ok());
    ASSERT_EQ(left->late.size(), 1u);
    EXPECT_EQ(left->late[0].tid, pid_);
    EXPECT_EQ(left->late[0].began_ns, began);
    EXPECT_TRUE(calls_.empty());
}

TEST_F(UnfinishedCallsTest, AFreezeTakesOverWhatIsStillToStop) {
    const int64_t began = monotonic_ns() - 40 * kSecond;
    ASSERT_TRUE(seize(pid_, 0).ok());
    ASSERT_TRUE(interrupt(pid_).ok());
    FreezeLeft left;
    left.late.push_back({pid_, began});
    auto frozen = freeze(pid_, RestartBlock::Stays, waiter_, 5000, {}, left);
    ASSERT_TRUE(frozen.ok()) << frozen.error().message();
    ASSERT_EQ(frozen->threads.size(), 1u);
    ASSERT_TRUE(frozen->threads[0].deadline.has_value());
    EXPECT_EQ(frozen->threads[0].deadline->at_ns, began + kLimit * kSecond);
}

}  // namespace
}  // namespace pmi
