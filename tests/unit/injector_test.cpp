// System calls performed by another process, and what becomes of signals that come meanwhile.
#include "runtime/tracee/injector.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "runtime/kernel/procfs.h"
#include "runtime/tracee/ended_leader.h"
#include "runtime/tracee/foothold.h"
#include "runtime/tracee/freezer.h"
#include "runtime/tracee/trap_disposition.h"

namespace pmi {
namespace {

// A child of two threads that wait for signals, the first stopped by this thread, with all signals blocked.
class InjectorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        pid_ = ::fork();
        if (pid_ == 0) {
            std::thread other([] {
                for (;;) ::pause();
            });
            for (;;) ::pause();
        }
        wait_for([&] { return list_threads(pid_)->size() == 2; });
        other_ = list_threads(pid_)->back();
        ASSERT_TRUE(seize(pid_, 0).ok());
        ASSERT_TRUE(interrupt(pid_).ok());
        ASSERT_TRUE(waiter_.wait(pid_, -1).ok());
        auto mask = get_signal_mask(pid_);
        ASSERT_TRUE(mask.ok());
        mask_ = *mask;
        ASSERT_TRUE(set_signal_mask(pid_, kInjectionMask).ok());
        auto found = find_foothold(pid_);
        ASSERT_TRUE(found.ok());
        instruction_ = found->syscall;
    }
    void TearDown() override {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, __WALL);
    }
    Expected<int64_t> call(int64_t nr, std::array<uint64_t, 6> args = {}) {
        return Injector(pid_, waiter_).call_at(instruction_, nr, args);
    }
    static void wait_for(const std::function<bool()>& condition) {
        while (!condition()) ::sched_yield();
    }
    void let_go() {
        ASSERT_TRUE(set_signal_mask(pid_, mask_).ok());
        ASSERT_TRUE(detach(pid_).ok());
    }

    pid_t pid_ = 0, other_ = 0;
    PlainWaiter waiter_;
    uint64_t mask_ = 0, instruction_ = 0;
};

TEST_F(InjectorTest, ACallGivesItsResultAndLeavesTheRegistersAlone) {
    auto before = get_registers(pid_);
    auto got = call(SYS_getpid);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(*got, pid_);
    auto refused = call(SYS_close, {uint64_t(-1)});
    ASSERT_TRUE(refused.ok());
    EXPECT_EQ(*refused, -EBADF);
    auto after = get_registers(pid_);
    EXPECT_EQ(std::memcmp(&*before, &*after, sizeof *before), 0);
}

TEST_F(InjectorTest, AStopThatComesDuringACallHoldsWhenTheThreadIsLetGo) {
    ASSERT_EQ(::kill(pid_, SIGSTOP), 0);
    auto got = call(SYS_getpid);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(*got, pid_);
    let_go();
    int status = 0;
    ASSERT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
    EXPECT_TRUE(WIFSTOPPED(status)) << status;
}

TEST_F(InjectorTest, AStopThatIsTakenBackDuringACallIsNone) {
    ASSERT_EQ(::kill(pid_, SIGSTOP), 0);
    ASSERT_TRUE(call(SYS_getpid).ok());
    ASSERT_EQ(::kill(pid_, SIGCONT), 0);
    ASSERT_TRUE(call(SYS_getpid).ok());
    let_go();
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
}

// The stop that the other thread is told of comes before the step's trap, which would be taken for that of the next injection.
TEST_F(InjectorTest, NoTrapIsLeftOfACallThatAStopInterrupts) {
    timespec hour{3600, 0};
    uint64_t place = below_stack(*get_registers(pid_));
    ASSERT_TRUE(RemoteMemory(pid_).put(place, hour).ok());
    std::thread stopper([this] {
        wait_for([this] {
            return read_file("/proc/" + std::to_string(pid_) + "/syscall")->starts_with(std::to_string(SYS_nanosleep) + " ");
        });
        ::syscall(SYS_tgkill, pid_, other_, SIGSTOP);
    });
    auto got = call(SYS_nanosleep, {place});
    stopper.join();
    ASSERT_TRUE(got.ok());
    EXPECT_LT(*got, 0);
    EXPECT_FALSE(trap_is_due(pid_));
}

TEST_F(InjectorTest, ATrapThatIsSentDuringACallIsStillToCome) {
    ASSERT_EQ(::syscall(SYS_tgkill, pid_, pid_, SIGTRAP), 0);  // of the process the other thread would die
    for (int i = 0; i < 3; i++) {
        auto got = call(SYS_getpid);
        ASSERT_TRUE(got.ok());
        EXPECT_EQ(*got, pid_);
    }
    let_go();
    int status = 0;
    ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP) << status;
}

// However much is injected in between.
TEST_F(InjectorTest, AStopDuringInjectedCodeShowsWhenTheThreadIsResumed) {
    ASSERT_EQ(::kill(pid_, SIGSTOP), 0);
    for (int i = 0; i < 3; i++) ASSERT_TRUE(call(SYS_getpid).ok());
    ASSERT_TRUE(resume(pid_).ok());
    auto status = waiter_.wait(pid_, -1);
    ASSERT_TRUE(status.ok());
    Stop stop = classify(*status);
    EXPECT_EQ(stop.kind, Stop::Kind::Group);
    EXPECT_EQ(stop.signal, SIGSTOP);
}

// Nobody reports its end to a tracer while another thread of it stands in its last stop.
TEST_F(InjectorTest, KilledLeaderIsSeenToHaveEnded) {
    ASSERT_TRUE(seize(other_, PTRACE_O_TRACEEXIT).ok());
    EndedLeader ended;
    EXPECT_TRUE(ended.check(pid_).ok());
    ::kill(pid_, SIGKILL);
    wait_for([&] { return read_status(pid_)->state == 'Z'; });
    EXPECT_EQ(::waitpid(pid_, nullptr, __WALL | WNOHANG), 0);
    Status checked;
    wait_for([&] { return !(checked = ended.check(pid_)).ok(); });
    EXPECT_EQ(checked.error().code(), ESRCH);
    ASSERT_TRUE(waiter_.wait(other_, -1).ok());
    ASSERT_TRUE(detach(other_).ok());
}

}  // namespace
}  // namespace pmi
