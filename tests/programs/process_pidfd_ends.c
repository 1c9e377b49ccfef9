// A child's pidfd can be polled as soon as the child has ended, and the child can be waited for by then.
#include "pmi_test.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static void* wait_for_ever(void* unused) {
    for (;;) pause();
    return unused;
}

static pid_t make_child(int round) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child != 0) return child;
    pthread_t thread;
    if (round % 3 == 1) CHECK_ZERO(pthread_create(&thread, NULL, wait_for_ever, NULL));
    if (round % 3 == 2) kill(getpid(), SIGKILL);
    _exit(5);
}

static void check_end(int round) {
    pid_t child = make_child(round);
    int pidfd = (int)CHECK_SYS(syscall(SYS_pidfd_open, child, 0));
    struct pollfd ended = {pidfd, POLLIN, 0};
    while (poll(&ended, 1, 10000) != 1) CHECK(errno == EINTR);
    siginfo_t info = {0};
    CHECK_SYS(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(info.si_code, round % 3 == 2 ? CLD_KILLED : CLD_EXITED);
    CHECK_EQ(info.si_status, round % 3 == 2 ? SIGKILL : 5);
    close(pidfd);
}

int main(void) {
    for (int round = 0; round < 60; round++) {
        if (round % 20 == 0) MIGRATE_POINT();
        check_end(round);
    }
    test_done();
}
