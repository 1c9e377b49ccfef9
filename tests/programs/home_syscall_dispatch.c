// A thread that takes its own system calls (PR_SET_SYSCALL_USER_DISPATCH, as Wine does): they arrive as SIGSYS, where they did
// before; afterwards it is a program like any other.
#include <sys/prctl.h>

#include "pmi_test.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static volatile char selector;  // 0: allow, 1: block
static volatile int taken, taken_nr;

static void on_sigsys(int sig, siginfo_t* info, void* context) {
    (void)sig;
    (void)context;
    selector = 0;  // or the return from here would come here
    taken++;
    taken_nr = info->si_syscall;
    CHECK_EQ(info->si_code, 2);  // SYS_USER_DISPATCH
}

static void take_one(void) {
    int before = taken;
    selector = 1;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    CHECK_EQ(selector, 0);
    CHECK_EQ(taken, before + 1);
    CHECK_EQ(taken_nr, SYS_getpid);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGSYS, &action, NULL));
    MIGRATE_POINT();
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector) != 0) test_skip("no syscall user dispatch");
    take_one();
    MIGRATE_POINT();
    take_one();
    MIGRATE_POINT();
    take_one();
    CHECK_SYS(prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0));
    int before = taken;
    for (int i = 0; i < 4; i++) {
        MIGRATE_POINT();
        CHECK(getppid() > 0);
    }
    CHECK_EQ(taken, before);
    test_done();
}
