// A blocked signal stays pending over points, once however often it was sent, and is taken when unblocked.
#include "pmi_test.h"
static volatile sig_atomic_t count;
static void on_signal(int sig) {
    (void)sig;
    count++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    sigset_t set, now, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 3; i++) CHECK_SYS(kill(getpid(), SIGUSR1));
    MIGRATE_POINT();
    CHECK_EQ(count, 0);
    CHECK_SYS(sigpending(&pending));
    CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
    CHECK_EQ(sigismember(&pending, SIGHUP), 0);
    CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK_EQ(sigismember(&now, SIGHUP), 1);
    CHECK_EQ(sigismember(&now, SIGINT), 0);
    MIGRATE_POINT();
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(count, 1);
    CHECK_SYS(sigpending(&pending));
    CHECK_EQ(sigismember(&pending, SIGUSR1), 0);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_SYS(kill(getpid(), SIGHUP));
    MIGRATE_POINT();
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);  // ignoring drops what is pending
    CHECK_SYS(sigpending(&pending));
    CHECK_EQ(sigismember(&pending, SIGHUP), 0);
    test_done();
}
