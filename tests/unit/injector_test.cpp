// System calls performed by another process, and what becomes of signals that come meanwhile.
#include "runtime/tracee/injector.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "runtime/kernel/procfs.h"
#include "runtime/tracee/freezer.h"

namespace pmi {
namespace {

// A child that waits for a signal, stopped by this thread, with all signals blocked.
class InjectorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        pid_ = ::fork();
        if (pid_ == 0)
            for (;;) ::pause();
        ASSERT_TRUE(seize(pid_, 0).ok());
        ASSERT_TRUE(interrupt(pid_).ok());
        ASSERT_TRUE(waiter_.wait(pid_, -1).ok());
        auto mask = get_signal_mask(pid_);
        ASSERT_TRUE(mask.ok());
        mask_ = *mask;
        ASSERT_TRUE(set_signal_mask(pid_, kInjectionMask).ok());
        auto vdso = find_vdso(pid_);
        ASSERT_TRUE(vdso.ok());
        auto found = find_syscall_instruction(RemoteMemory(pid_), vdso->start, vdso->end);
        ASSERT_TRUE(found.ok());
        instruction_ = *found;
    }
    void TearDown() override {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, __WALL);
    }
    Expected<int64_t> call(int64_t nr, std::array<uint64_t, 6> args = {}) {
        return Injector(pid_, waiter_).call_at(instruction_, nr, args);
    }
    void let_go() {
        ASSERT_TRUE(set_signal_mask(pid_, mask_).ok());
        ASSERT_TRUE(detach(pid_).ok());
    }

    pid_t pid_ = 0;
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

}  // namespace
}  // namespace pmi
