// waitpid, wait4 and waitid: WNOHANG, WNOWAIT, by group, any child, rusage, ECHILD.
#include "pmi_test.h"
static pid_t start(int code, int* hold) {
    CHECK_SYS(pipe(hold));
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        CHECK_SYS(close(hold[1]));
        char byte;
        while (read(hold[0], &byte, 1) > 0) {
        }
        _exit(code);
    }
    CHECK_SYS(close(hold[0]));
    return child;
}
int main(void) {
    int hold_a[2], hold_b[2], status;
    pid_t a = start(1, hold_a);
    CHECK_EQ(waitpid(a, &status, WNOHANG), 0);
    MIGRATE_POINT();
    CHECK_SYS(close(hold_a[1]));
    siginfo_t info = {0};
    CHECK_SYS(waitid(P_PID, (id_t)a, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_status, 1);
    MIGRATE_POINT();
    struct rusage usage;
    memset(&usage, 0xff, sizeof usage);
    CHECK_EQ(wait4(a, &status, 0, &usage), a);
    CHECK_EQ(WEXITSTATUS(status), 1);
    CHECK(usage.ru_utime.tv_sec < 5 && usage.ru_maxrss >= 0);
    CHECK_ERRNO(waitpid(a, &status, 0), ECHILD);
    a = start(2, hold_a);
    pid_t b = start(3, hold_b);
    CHECK_SYS(setpgid(b, b));
    MIGRATE_POINT();
    CHECK_SYS(close(hold_b[1]));
    CHECK_EQ(waitpid(-b, &status, 0), b);
    CHECK_EQ(WEXITSTATUS(status), 3);
    info.si_pid = 77;
    CHECK_SYS(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    MIGRATE_POINT();
    CHECK_SYS(close(hold_a[1]));
    CHECK_EQ(wait(&status), a);
    CHECK_EQ(WEXITSTATUS(status), 2);
    CHECK_ERRNO(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK_ERRNO(waitid(P_ALL, 0, &info, 0), EINVAL);
    test_done();
}
