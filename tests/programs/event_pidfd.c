// pidfd_open, pidfd_send_signal, poll on a pidfd, waitid(P_PIDFD).
#include "pmi_test.h"
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(close(p[1]));
        char byte;
        if (read(p[0], &byte, 1) == 0) _exit(9);
        for (;;) pause();
    }
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd == -1 && errno == ENOSYS) test_skip("no pidfd_open");
    CHECK_SYS(fd);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    MIGRATE_POINT();
    struct pollfd set = {fd, POLLIN, 0};
    CHECK_EQ(poll(&set, 1, 0), 0);
    CHECK_SYS(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    write_all(p[1], "x", 1);
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    CHECK_EQ(poll(&set, 1, 5000), 1);
    siginfo_t info;
    MIGRATE_POINT();
    CHECK_SYS(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    int own = (int)CHECK_SYS(syscall(SYS_pidfd_open, getpid(), 0));
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_pidfd_send_signal, own, 0, NULL, 0));
    test_done();
}
