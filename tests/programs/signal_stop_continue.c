// A child stopped by SIGSTOP is seen by WUNTRACED / WSTOPPED, goes on at SIGCONT, and loses nothing.
#include "pmi_test.h"
int main(void) {
    int p[2], q[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(pipe(q));
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(setpgid(0, 0));  // SIGTSTP doesn't stop the members of an orphaned group
        char byte;
        write_all(q[1], "r", 1);
        for (int i = 0; i < 3; i++) {
            read_all(p[0], &byte, 1);
            write_all(q[1], &byte, 1);
        }
        read_all(p[0], &byte, 1);
        _exit(11);
    }
    char first;
    read_all(q[0], &first, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_SYS(kill(child, i % 2 ? SIGTSTP : SIGSTOP));
        int status;
        siginfo_t info = {0};
        if (i % 2) {
            CHECK_SYS(waitid(P_PID, (id_t)child, &info, WSTOPPED));
            CHECK_EQ(info.si_code, CLD_STOPPED);
            CHECK_EQ(info.si_status, SIGTSTP);
        } else {
            CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
            CHECK(WIFSTOPPED(status));
            CHECK_EQ(WSTOPSIG(status), SIGSTOP);
        }
        MIGRATE_POINT();
        write_all(p[1], &"abc"[i], 1);
        struct pollfd set = {q[0], POLLIN, 0};
        CHECK_EQ(poll(&set, 1, 50), 0);  // it is stopped
        CHECK_SYS(kill(child, SIGCONT));
        CHECK_SYS(waitid(P_PID, (id_t)child, &info, WCONTINUED));
        CHECK_EQ(info.si_code, CLD_CONTINUED);
        MIGRATE_POINT();
        char byte;
        read_all(q[0], &byte, 1);
        CHECK_EQ(byte, 'a' + i);
    }
    write_all(p[1], "x", 1);
    CHECK_EXITED(child, 11);
    test_done();
}
