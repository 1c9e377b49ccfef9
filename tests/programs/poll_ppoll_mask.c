// ppoll's mask is in force only during the call: a blocked signal is taken inside it, and nowhere else.
#include "pmi_test.h"
static volatile sig_atomic_t taken;
static void on_signal(int sig) {
    (void)sig;
    taken++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    sigset_t block, none, now;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &block, NULL));
    for (int round = 1; round <= 3; round++) {
        CHECK_SYS(kill(getpid(), SIGUSR1));
        MIGRATE_POINT();
        CHECK_EQ(taken, round - 1);
        struct timespec limit = {5, 0};
        CHECK_ERRNO(ppoll(NULL, 0, &limit, &none), EINTR);  // whatever SA_RESTART says
        CHECK_EQ(taken, round);
        CHECK_SYS(sigprocmask(SIG_SETMASK, NULL, &now));
        CHECK(sigismember(&now, SIGUSR1));
    }
    int64_t start = now_ns();
    struct timespec limit = {0, 200 * NSEC_PER_MSEC};
    CHECK_EQ(syscall(SYS_ppoll, NULL, 0, &limit, NULL, 8), 0);
    CHECK_ELAPSED(start, 200);
    test_done();
}
