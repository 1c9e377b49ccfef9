// Masks that are set to what they are (swapcontext(3) does that), between changes that matter: nothing is delivered too early, nothing
// is lost, and what is unblocked is delivered before the call returns; in a handler too, whose own mask is another.
#include <ucontext.h>

#include "pmi_test.h"

static volatile int usr1, usr2, depth, deepest;

static void on_usr1(int signal) {
    (void)signal;
    usr1++;
}
static void on_usr2(int signal) {
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, signal);
    usr2++;
    if (++depth > deepest) deepest = depth;
    if (usr2 == 1) {
        raise(signal);
        CHECK_EQ(usr2, 1);  // blocked by its handler
        CHECK_SYS(sigprocmask(SIG_BLOCK, &own, NULL));
        CHECK_EQ(usr2, 1);
        CHECK_SYS(sigprocmask(SIG_UNBLOCK, &own, NULL));
        CHECK_EQ(usr2, 2);
    }
    depth--;
}

static ucontext_t here, there;
static int visits;
static void visit(void) {
    for (;;) {
        visits++;
        CHECK_SYS(swapcontext(&there, &here));
    }
}

int main(void) {
    sigset_t none, one, old;
    sigemptyset(&none);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    signal(SIGUSR1, on_usr1);
    signal(SIGUSR2, on_usr2);
    static char stack[65536];
    CHECK_SYS(getcontext(&there));
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    makecontext(&there, visit, 0);
    for (int i = 0; i < 12; i++) {
        MIGRATE_POINT();
        int before = usr1;
        CHECK_SYS(sigprocmask(SIG_SETMASK, &none, NULL));
        CHECK_SYS(sigprocmask(SIG_BLOCK, &one, NULL));
        CHECK_SYS(sigprocmask(SIG_BLOCK, &one, NULL));
        raise(SIGUSR1);
        CHECK_SYS(sigprocmask(SIG_SETMASK, &one, &old));
        CHECK(sigismember(&old, SIGUSR1) == 1 && sigismember(&old, SIGUSR2) == 0);
        CHECK_SYS(sigprocmask(SIG_BLOCK, &none, NULL));
        CHECK_EQ(usr1, before);
        if (i % 3 == 0) MIGRATE_POINT();
        CHECK_SYS(sigpending(&old));
        CHECK_EQ(sigismember(&old, SIGUSR1), 1);
        CHECK_SYS(sigprocmask(SIG_SETMASK, &none, NULL));
        CHECK_EQ(usr1, before + 1);
        for (int k = 0; k < 50; k++) CHECK_SYS(swapcontext(&here, &there));
        usr2 = 0;
        raise(SIGUSR2);
        CHECK_EQ(usr2, 2);
        CHECK_EQ(deepest, 2);
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &old));
        CHECK(sigismember(&old, SIGUSR1) == 0 && sigismember(&old, SIGUSR2) == 0);
        CHECK_ERRNO(sigprocmask(77, &one, NULL), EINVAL);
        CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, NULL, 4), EINVAL);
        CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &old));
        CHECK_EQ(sigismember(&old, SIGUSR1), 0);
    }
    CHECK_EQ(visits, 12 * 50);
    test_done();
}
