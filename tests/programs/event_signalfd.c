// signalfd: blocked signals are read with sender, value and order; nonblocking when none is left.
#include "pmi_test.h"
#include <sys/signalfd.h>
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = (int)CHECK_SYS(signalfd(-1, &set, SFD_CLOEXEC));
    CHECK_SYS(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 3; i++) CHECK_SYS(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 100 + i}));
    MIGRATE_POINT();
    struct signalfd_siginfo info[8];
    CHECK_EQ(read(fd, info, 2 * sizeof info[0]), 2 * (long)sizeof info[0]);
    CHECK_EQ(info[0].ssi_signo, SIGUSR1);
    CHECK_EQ(info[0].ssi_pid, getpid());
    CHECK_EQ(info[0].ssi_code, SI_USER);
    CHECK_EQ(info[1].ssi_signo, SIGRTMIN + 3);
    CHECK_EQ(info[1].ssi_int, 100);
    MIGRATE_POINT();
    CHECK_EQ(read(fd, info, sizeof info), 2 * (long)sizeof info[0]);
    CHECK_EQ(info[0].ssi_int, 101);
    CHECK_EQ(info[1].ssi_int, 102);
    CHECK_EQ(info[1].ssi_code, SI_QUEUE);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        sleep_ms(50);
        CHECK_SYS(kill(parent, SIGUSR1));
        _exit(0);
    }
    CHECK_EQ(read(fd, info, sizeof info), (long)sizeof info[0]);  // blocks until it comes
    CHECK_EQ(info[0].ssi_pid, child);
    CHECK_EXITED(child, 0);
    sigdelset(&set, SIGUSR1);
    CHECK_EQ(signalfd(fd, &set, 0), fd);
    CHECK_SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
    CHECK_SYS(kill(getpid(), SIGUSR1));
    MIGRATE_POINT();
    CHECK_ERRNO(read(fd, info, sizeof info), EAGAIN);
    test_done();
}
