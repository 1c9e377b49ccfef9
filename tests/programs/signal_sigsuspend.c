// sigsuspend swaps the mask, takes exactly the signal, and swaps back.
#include "pmi_test.h"
static volatile sig_atomic_t usr1, usr2;
static void on_signal(int sig) {
    if (sig == SIGUSR1) usr1++;
    if (sig == SIGUSR2) usr2++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    sigset_t both, only_two, now;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &both, NULL));
    sigfillset(&only_two);
    sigdelset(&only_two, SIGUSR2);
    pid_t parent = getpid();
    for (int i = 1; i <= 5; i++) {
        CHECK_SYS(kill(parent, SIGUSR1));
        pid_t child = fork();
        if (child == 0) {
            if (i % 2) sleep_ms(20);
            CHECK_SYS(kill(parent, SIGUSR2));
            _exit(0);
        }
        MIGRATE_POINT();
        CHECK_ERRNO(sigsuspend(&only_two), EINTR);
        CHECK_EQ(usr1, 0);
        CHECK_EQ(usr2, i);
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
        CHECK_EXITED(child, 0);
    }
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &both, NULL));
    CHECK_EQ(usr1, 1);
    test_done();
}
