// kill of 0, of a group, of nobody; tgkill's checks; the null signal.
#include "pmi_test.h"
static volatile sig_atomic_t count;
static void on_signal(int sig) {
    (void)sig;
    count++;
}
int main(void) {
    pid_t child = fork();
    if (child == 0) {  // in a group of its own, so that kill(0) hits nobody else
        CHECK_SYS(setpgid(0, 0));
        struct sigaction action = {.sa_handler = on_signal};
        CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
        int p[2];
        CHECK_SYS(pipe(p));
        pid_t mate = fork();
        if (mate == 0) {
            write_all(p[1], "r", 1);
            for (;;) {
                if (count == 2) _exit(7);
                sleep_ms(1);
            }
        }
        char byte;
        read_all(p[0], &byte, 1);
        MIGRATE_POINT();
        CHECK_SYS(kill(0, SIGUSR1));
        CHECK_EQ(count, 1);
        sleep_ms(50);
        MIGRATE_POINT();
        CHECK_SYS(kill(-getpgrp(), SIGUSR1));
        CHECK_EQ(count, 2);
        CHECK_EXITED(mate, 7);
        CHECK_ERRNO(kill(mate, 0), ESRCH);
        MIGRATE_POINT();
        CHECK_SYS(kill(getpid(), 0));
        CHECK_ERRNO(kill(getpid(), 65), EINVAL);
        CHECK_ERRNO(syscall(SYS_tgkill, getppid(), syscall(SYS_gettid), 0), ESRCH);
        CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
        CHECK_SYS(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1));
        CHECK_EQ(count, 3);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    test_done();
}
