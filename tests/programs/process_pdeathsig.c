// PR_SET_PDEATHSIG: a child gets its signal when its parent dies, wherever either runs.
#include "pmi_test.h"
#include <sys/prctl.h>
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
            CHECK_SYS(prctl(PR_SET_PDEATHSIG, SIGUSR1));
            MIGRATE_POINT();
            int which = 0;
            CHECK_SYS(prctl(PR_GET_PDEATHSIG, &which));
            CHECK_EQ(which, SIGUSR1);
            write_all(p[1], "r", 1);
            siginfo_t info;
            CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
            write_all(p[1], "d", 1);
            _exit(0);
        }
        for (;;) pause();
    }
    char byte;
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, 'r');
    MIGRATE_POINT();
    CHECK_SYS(kill(middle, SIGKILL));
    CHECK_KILLED(middle, SIGKILL);
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, 'd');
    int status;
    CHECK_SYS(wait(&status));
    CHECK_EQ(status, 0);
    test_done();
}
