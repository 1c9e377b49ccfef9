// pselect takes a blocked signal inside the call and gives EINTR.
#include "pmi_test.h"
#include <sys/select.h>
static volatile sig_atomic_t taken;
static void on_signal(int sig) { taken = sig; }
int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &block, NULL));
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        sleep_ms(100);
        CHECK_SYS(kill(parent, SIGUSR2));
        _exit(0);
    }
    MIGRATE_POINT();
    CHECK_EQ(taken, 0);
    struct timespec limit = {10, 0};
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &limit, &none), EINTR);
    CHECK_EQ(taken, SIGUSR2);
    sigset_t now;
    CHECK_SYS(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR2));
    CHECK_EXITED(child, 0);
    test_done();
}
