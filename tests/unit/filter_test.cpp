// The guest's filter, evaluated in user space for every number, and once loaded into the kernel.
#include "interpose/filter/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "interpose/agent/agent.h"
#include "interpose/syscall/row.h"

namespace pmi {
namespace {

constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kI386 = AUDIT_ARCH_I386;

uint32_t verdict(int32_t nr, std::array<uint64_t, 6> args = {}, uint32_t arch = AUDIT_ARCH_X86_64) {
    static const auto program = guest_filter();
    SeccompData data{nr, arch, 0, {}};
    std::copy(args.begin(), args.end(), data.args);
    return evaluate_filter(program, data);
}

TEST(Filter, FollowsTheTableForEveryNumber) {
    for (int nr = 0; nr <= 600; nr++) {
        if (nr == SYS_mmap || nr == SYS_clock_gettime) continue;
        const Row* row = find_row(nr);
        bool local = row != nullptr && row->route == Route::Local;
        EXPECT_EQ(verdict(nr), local ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF) << nr;
        if (nr == SYS_futex || nr == SYS_mprotect) continue;  // it depends on the operation
        std::array<uint64_t, 6> ones;
        ones.fill(~uint64_t{0});
        EXPECT_EQ(verdict(nr, ones), verdict(nr)) << nr;
    }
    EXPECT_EQ(verdict(0x3fffffff), SECCOMP_RET_USER_NOTIF);
}

TEST(Filter, GuardPagesAreNotified) {
    for (uint64_t advice = 0; advice < 200; advice++) {
        bool is_guard = advice == 102;
        EXPECT_EQ(verdict(SYS_madvise, {0, 4096, advice, 0, 0, 0}), is_guard ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW)
            << advice;
    }
}

TEST(Filter, OtherAbisAreNotRunHere) {
    for (int nr = 0; nr <= 600; nr++) {
        EXPECT_EQ(verdict(nr | 0x40000000), kNoSuchCall) << nr;
        EXPECT_EQ(verdict(nr, {}, kI386), SECCOMP_RET_USER_NOTIF) << nr;
        EXPECT_EQ(verdict(nr, {}, 0), kNoSuchCall) << nr;
    }
    EXPECT_EQ(verdict(-1), kNoSuchCall);
}

TEST(Filter, MmapIsLocalForPrivateAnonymousMemory) {
    auto mmap_with = [](uint64_t flags) { return verdict(SYS_mmap, {0, 4096, 3, flags, ~uint64_t{0}, 0}); };
    EXPECT_EQ(mmap_with(MAP_PRIVATE | MAP_ANONYMOUS), SECCOMP_RET_ALLOW);
    EXPECT_EQ(mmap_with(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE), SECCOMP_RET_ALLOW);
    EXPECT_EQ(mmap_with(MAP_PRIVATE), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(mmap_with(MAP_SHARED | MAP_ANONYMOUS), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(mmap_with(0x3 | MAP_ANONYMOUS), SECCOMP_RET_USER_NOTIF);  // MAP_SHARED_VALIDATE
    EXPECT_EQ(mmap_with(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(mmap_with(uint64_t{MAP_ANONYMOUS} << 32), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(mmap_with(0), SECCOMP_RET_USER_NOTIF);
}

TEST(Filter, CodeThatBecomesWritableIsSeen) {
    auto with = [](uint64_t protection) { return verdict(SYS_mprotect, {0, 4096, protection, 0, 0, 0}); };
    for (int harmless : {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_EXEC})
        EXPECT_EQ(with(static_cast<uint64_t>(harmless)), SECCOMP_RET_ALLOW) << harmless;
    EXPECT_EQ(with(PROT_READ | PROT_WRITE | PROT_EXEC), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(with(PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN), SECCOMP_RET_USER_NOTIF);
}

TEST(Filter, MaskCallsOfStubsAreLocal) {
    auto with = [](uint64_t how) { return verdict(SYS_rt_sigprocmask, {how, 0x1000, 0, 8, 0, 0}); };
    for (uint64_t how : {0, 1, 2, 77}) {
        EXPECT_EQ(with(how | uint64_t{kMaskCallSign} << 32), SECCOMP_RET_ALLOW);
        EXPECT_EQ(with(how), SECCOMP_RET_USER_NOTIF);
        EXPECT_EQ(with(how | uint64_t{kMaskCallSign + 1} << 32), SECCOMP_RET_USER_NOTIF);
        EXPECT_EQ(with(how | kMaskCallSign), SECCOMP_RET_USER_NOTIF);
    }
    EXPECT_EQ(verdict(SYS_getppid, {uint64_t{kMaskCallSign} << 32}), SECCOMP_RET_USER_NOTIF);
}

TEST(Filter, ClocksOfTheTimeNamespaceAreLocal) {
    for (uint64_t clock : {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME})
        EXPECT_EQ(verdict(SYS_clock_gettime, {clock}), SECCOMP_RET_ALLOW) << clock;
    for (uint64_t clock : {uint64_t{CLOCK_REALTIME}, uint64_t{CLOCK_REALTIME_COARSE}, uint64_t{CLOCK_TAI},
                           uint64_t{CLOCK_PROCESS_CPUTIME_ID}, uint64_t{CLOCK_THREAD_CPUTIME_ID}, ~uint64_t{5}})
        EXPECT_EQ(verdict(SYS_clock_gettime, {clock}), SECCOMP_RET_USER_NOTIF) << clock;
}

TEST(Filter, WaitingByTheWallClockIsNotified) {
    constexpr uint64_t kTime = 0x7ffc00000000;
    auto futex = [](uint64_t op, uint64_t timeout) { return verdict(SYS_futex, {0x1000, op, 1, timeout, 0, 0}); };
    for (uint64_t op : {FUTEX_WAIT, FUTEX_WAIT_PRIVATE, FUTEX_WAKE, FUTEX_WAIT_BITSET_PRIVATE, FUTEX_UNLOCK_PI_PRIVATE,
                        FUTEX_CMP_REQUEUE_PI_PRIVATE, 13, 13 | 128})
        EXPECT_EQ(futex(op, kTime), SECCOMP_RET_ALLOW) << op;
    for (uint64_t op :
         {FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME,
          FUTEX_WAIT_REQUEUE_PI_PRIVATE | FUTEX_CLOCK_REALTIME, FUTEX_LOCK_PI, FUTEX_LOCK_PI_PRIVATE, 13 | FUTEX_CLOCK_REALTIME}) {
        EXPECT_EQ(futex(op, kTime), SECCOMP_RET_USER_NOTIF) << op;
        EXPECT_EQ(futex(op, 8), SECCOMP_RET_USER_NOTIF) << op;
        EXPECT_EQ(futex(op, 0), SECCOMP_RET_ALLOW) << op;
    }
    constexpr uint64_t kWaitv = 449, kWait = 455;
    EXPECT_EQ(verdict(kWaitv, {0x1000, 1, 0, kTime, CLOCK_REALTIME, 0}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(verdict(kWaitv, {0x1000, 1, 0, kTime, CLOCK_MONOTONIC, 0}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(verdict(kWaitv, {0x1000, 1, 0, 0, CLOCK_REALTIME, 0}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(verdict(kWait, {0x1000, 1, 1, 0, kTime, CLOCK_REALTIME}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(verdict(kWait, {0x1000, 1, 1, 0, kTime, CLOCK_MONOTONIC}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(verdict(kWait, {0x1000, 1, 1, 0, 0, CLOCK_REALTIME}), SECCOMP_RET_ALLOW);
}

// The kernel's verifier takes it, and gives the same: what notifies fails with ENOSYS where nobody listens.
TEST(Filter, TheKernelTakesIt) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would make calls for ever
        signal(SIGILL, SIG_DFL);
        auto code = guest_filter();
        sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // Without NEW_LISTENER, USER_NOTIF gives ENOSYS; exit_group is notified too, so the end is a fault.
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(1);
        bool ok = syscall(SYS_getpid) == ::getpid() && syscall(SYS_getppid) == -1 && errno == ENOSYS;
        ok = ok && mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
        ok = ok && mmap(nullptr, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
        timespec now;
        ok = ok && syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0;
        ok = ok && syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) == -1 && errno == ENOSYS;
        int word = 0;
        ok = ok && syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0;
        if (!ok) __builtin_trap();
        asm volatile("hlt");
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
}

TEST(Filter, ABrokenProgramKills) {
    EXPECT_EQ(evaluate_filter({}, SeccompData{}), SECCOMP_RET_KILL_PROCESS);
    sock_filter beyond[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}};
    EXPECT_EQ(evaluate_filter(beyond, SeccompData{}), SECCOMP_RET_KILL_PROCESS);
    sock_filter unknown[] = {{BPF_LD | BPF_IMM, 0, 0, 64}};
    EXPECT_EQ(evaluate_filter(unknown, SeccompData{}), SECCOMP_RET_KILL_PROCESS);
}

}  // namespace
}  // namespace pmi
