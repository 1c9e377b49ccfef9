// CPU time: what a kernel says of a process, the account in a program's memory, and its way from stay to
// stay.
#include "runtime/kernel/cpu_time.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "runtime/base/fd.h"
#include "runtime/deputy/cpu_of_stays.h"

namespace pmi {
namespace {

class Program {
  public:
    explicit Program(const char* preload) {
        pid = ::fork();
        if (pid == 0) {
            ::setenv("LD_PRELOAD", preload, 1);
            ::execlp("sleep", "sleep", "60", nullptr);
            ::_exit(1);
        }
    }
    ~Program() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    pid_t pid;
};

// A system call that sleep(1) makes when its loader is done, and a stopped process has left its CPU: both a
// little after they can be seen to begin.
template <typename Done>
bool eventually(Done done) {
    for (int i = 0; i < 5000 && !done(); i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return done();
}

bool sleeps(pid_t pid) {
    auto call = read_file(fmt::format("/proc/{}/syscall", pid));
    return call && call->starts_with(std::to_string(SYS_clock_nanosleep) + " ");
}

TEST(CpuTime, OfAStoppedProcessIsExact) {
    pid_t pid = ::fork();
    if (pid == 0) {
        while (process_cpu_ns(::getpid()) < 25'000'000) {
        }
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    ASSERT_TRUE(eventually([&] {
        int64_t before = process_cpu_ns(pid);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return process_cpu_ns(pid) == before;
    }));
    CpuTime ticks = process_cpu_ticks(pid), exact = process_cpu_exact(pid);
    EXPECT_EQ(exact.total_ns(), process_cpu_ns(pid));
    EXPECT_EQ(exact.total_ns(), thread_cpu_ns(pid, pid));
    EXPECT_GE(exact.total_ns(), 25'000'000);
    EXPECT_GE(exact.user_ns, ticks.user_ns);
    EXPECT_GE(exact.system_ns, ticks.system_ns);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_EQ(process_cpu_exact(pid).total_ns(), 0);
}

TEST(CpuAccount, IsFoundWrittenAndCleared) {
    Program program(PRELOAD);
    ASSERT_TRUE(eventually([&] { return sleeps(program.pid); }));
    uint64_t address = find_cpu_account(program.pid).value_or(0);
    ASSERT_NE(address, 0U);
    RemoteMemory memory(program.pid);
    pmi_cpu_account account{};
    account.pid = program.pid;
    account.user_ns = 5;
    account.threads = 1;
    account.thread[0].ns = 7;
    ASSERT_TRUE(write_cpu_account(memory, address, account));
    auto there = memory.get<pmi_cpu_account>(address);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->user_ns, 5);
    EXPECT_EQ(there->thread[0].ns, 7);
    EXPECT_EQ(there->generation, 1U);
    ASSERT_TRUE(clear_cpu_account(memory, address));
    there = memory.get<pmi_cpu_account>(address);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->pid, 0);
    EXPECT_EQ(there->generation, 2U);
}

TEST(CpuAccount, IsNotInOtherPrograms) {
    auto found = find_cpu_account(::getpid());
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, 0U);
}

TEST(CpuOfStays, TravelsFromOneStayToTheNext) {
    wire::Image first, next;
    first.set_pid(7);
    first.set_cpu_user_ns(1'000'000'000'007);
    first.set_cpu_system_ns(20);
    for (int tid : {7, 8, 9}) {
        first.add_threads()->set_tid(tid);
        first.mutable_threads(tid - 7)->set_cpu_ns(static_cast<uint64_t>(tid - 7) * 100);
    }
    for (int tid : {7, 9, 10}) next.add_threads()->set_tid(tid);  // one has ended, one is new
    note_cpu_of_earlier_stays(nlohmann::json::parse(cpu_used_away(first).dump()), next);
    EXPECT_EQ(next.cpu_user_ns(), 1'000'000'000'007U);
    EXPECT_EQ(next.cpu_system_ns(), 20U);
    EXPECT_EQ(next.threads(0).cpu_ns(), 0U);
    EXPECT_EQ(next.threads(1).cpu_ns(), 200U);
    EXPECT_EQ(next.threads(2).cpu_ns(), 0U);
    note_cpu_of_earlier_stays(nlohmann::json(), next);  // never away before
    EXPECT_EQ(next.cpu_system_ns(), 20U);
}

TEST(CpuOfStays, AnExecKeepsIt) {
    wire::Image next;
    next.add_threads()->set_tid(7);
    note_cpu_of_earlier_stays(cpu_used_away(CpuHead{7, 9, 100, 10, 50}), next);
    EXPECT_EQ(next.cpu_user_ns(), 100U);
    EXPECT_EQ(next.threads(0).cpu_ns(), 50U);
}

}  // namespace
}  // namespace pmi
