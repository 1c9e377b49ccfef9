// A handler's mask ends with the handler, also for signals from outside, when the program moves while it runs.
#include "pmi_test.h"
static volatile sig_atomic_t first, second;
static void on_first(int sig) {
    (void)sig;
    first++;
    MIGRATE_POINT();
    CHECK_SYS(kill(getpid(), SIGUSR2));
    CHECK_EQ(second, first - 1);  // blocked by this handler's mask
}
static void on_second(int sig) {
    (void)sig;
    second++;
    MIGRATE_POINT();
}
int main(void) {
    struct sigaction action = {.sa_handler = on_second};
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    action.sa_handler = on_first;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    for (int round = 0; round < 6; round++) {
        CHECK_SYS(kill(getpid(), SIGUSR1));
        CHECK_EQ(first, round + 1);
        CHECK_EQ(second, round + 1);
        MIGRATE_POINT();
        sigset_t now;
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK_EQ(sigismember(&now, SIGUSR2), 0);
    }
    test_done();
}
