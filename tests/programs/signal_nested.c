// Handlers nest, see their masks, and the interrupted ones go on; points at each depth.
#include "pmi_test.h"
static volatile int trace[16];
static volatile sig_atomic_t steps;
static void on_signal(int sig) {
    sigset_t now;
    CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK_EQ(sigismember(&now, sig), 1);
    CHECK_EQ(sigismember(&now, SIGTERM), 1);  // by the outermost handler's mask
    trace[steps++] = sig;
    MIGRATE_POINT();
    if (sig == SIGUSR1) CHECK_ZERO(raise(SIGUSR2));
    if (sig == SIGUSR2) CHECK_ZERO(raise(SIGHUP));
    MIGRATE_POINT();
    trace[steps++] = -sig;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGHUP, &action, NULL));
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    sigaddset(&action.sa_mask, SIGTERM);
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    for (int round = 0; round < 2; round++) {
        steps = 0;
        CHECK_ZERO(raise(SIGUSR1));
        int expected[6] = {SIGUSR1, SIGUSR2, SIGHUP, -SIGHUP, -SIGUSR2, -SIGUSR1};
        CHECK_EQ(steps, 6);
        for (int i = 0; i < 6; i++) CHECK_EQ(trace[i], expected[i]);
        sigset_t now;
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        for (int sig = 1; sig < 32; sig++) CHECK_EQ(sigismember(&now, sig), 0);
    }
    test_done();
}
