// Job control in a session of one's own: background reads stop, fg and SIGCONT let them go on, ^Z stops.
#include "pmi_test.h"
#include <termios.h>
int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1) test_skip("no ptys");
    CHECK_SYS(grantpt(master));
    CHECK_SYS(unlockpt(master));
    char name[64];
    CHECK_ZERO(ptsname_r(master, name, sizeof name));
    pid_t shell = fork();
    if (shell == 0) {
        CHECK_SYS(setsid());
        int tty = (int)CHECK_SYS(open(name, O_RDWR));
        CHECK_SYS(ioctl(tty, TIOCSCTTY, 0));
        CHECK(signal(SIGTTOU, SIG_IGN) != SIG_ERR);
        int hold[2], passed[2];
        CHECK_SYS(pipe(hold));
        CHECK_SYS(pipe(passed));
        pid_t job = fork();
        if (job == 0) {
            char text[16], byte;
            CHECK(signal(SIGTTOU, SIG_DFL) != SIG_ERR);
            read_all(hold[0], &byte, 1);
            CHECK_EQ(read(tty, text, sizeof text), 6);  // stops by SIGTTIN first
            CHECK(memcmp(text, "hello\n", 6) == 0);
            MIGRATE_POINT();
            write_all(passed[1], "x", 1);
            for (;;) pause();
        }
        CHECK_SYS(setpgid(job, job));
        write_all(hold[1], "x", 1);
        int status;
        CHECK_EQ(waitpid(job, &status, WUNTRACED), job);
        CHECK(WIFSTOPPED(status));
        CHECK_EQ(WSTOPSIG(status), SIGTTIN);
        MIGRATE_POINT();
        CHECK_SYS(tcsetpgrp(tty, job));
        CHECK_SYS(kill(-job, SIGCONT));
        CHECK_EQ(waitpid(job, &status, WCONTINUED), job);
        write_all(master, "hello\n", 6);
        MIGRATE_POINT();
        CHECK_EQ(tcgetpgrp(tty), job);
        char byte;
        read_all(passed[0], &byte, 1);
        write_all(master, "\032", 1);  // ^Z
        CHECK_EQ(waitpid(job, &status, WUNTRACED), job);
        CHECK_EQ(WSTOPSIG(status), SIGTSTP);
        CHECK_SYS(tcsetpgrp(tty, getpgrp()));
        MIGRATE_POINT();
        CHECK_SYS(kill(-job, SIGKILL));
        CHECK_KILLED(job, SIGKILL);
        _exit(0);
    }
    CHECK_EXITED(shell, 0);
    test_done();
}
