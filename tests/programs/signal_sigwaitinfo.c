// sigwaitinfo, sigwait and sigtimedwait take pending and coming signals with their siginfo.
#include "pmi_test.h"
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 5);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_SYS(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 31}));
    CHECK_SYS(kill(getpid(), SIGUSR1));
    MIGRATE_POINT();
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_code, SI_USER);
    CHECK_EQ(info.si_pid, getpid());
    MIGRATE_POINT();
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 5);
    CHECK_EQ(info.si_value.sival_int, 31);
    struct timespec none = {0, 0}, some = {10, 0};
    CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        sleep_ms(100);
        CHECK_SYS(sigqueue(parent, SIGRTMIN + 5, (union sigval){.sival_int = 32}));
        _exit(0);
    }
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 20);
    CHECK_EQ(sigtimedwait(&set, &info, &some), SIGRTMIN + 5);
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(info.si_value.sival_int, 32);
    later_point_join(&later);
    CHECK_EXITED(child, 0);
    int sig;
    CHECK_SYS(kill(getpid(), SIGUSR1));
    MIGRATE_POINT();
    CHECK_ZERO(sigwait(&set, &sig));
    CHECK_EQ(sig, SIGUSR1);
    test_done();
}
