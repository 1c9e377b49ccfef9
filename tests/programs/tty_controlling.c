// A child session with a controlling terminal: /dev/tty, foreground group, SIGINT by ^C, SIGWINCH, SIGHUP.
#include "pmi_test.h"
#include <termios.h>
static volatile sig_atomic_t interrupts, resizes, hangups;
static void on_signal(int sig) {
    interrupts += sig == SIGINT;
    resizes += sig == SIGWINCH;
    hangups += sig == SIGHUP;
}
int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY), p[2];
    if (master == -1) test_skip("no ptys");
    CHECK_SYS(grantpt(master));
    CHECK_SYS(unlockpt(master));
    char name[64], byte;
    CHECK_ZERO(ptsname_r(master, name, sizeof name));
    CHECK_SYS(pipe(p));
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(close(master));
        CHECK_SYS(setsid());
        int tty = (int)CHECK_SYS(open(name, O_RDWR));
        CHECK_SYS(ioctl(tty, TIOCSCTTY, 0));
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        CHECK_SYS(sigaction(SIGINT, &action, NULL));
        CHECK_SYS(sigaction(SIGWINCH, &action, NULL));
        CHECK_SYS(sigaction(SIGHUP, &action, NULL));
        CHECK_SYS(close((int)CHECK_SYS(open("/dev/tty", O_RDWR))));
        MIGRATE_POINT();
        CHECK_EQ(tcgetpgrp(tty), getpgrp());
        CHECK_EQ(tcgetsid(tty), getsid(0));
        write_all(p[1], "1", 1);
        WAIT_FOR(interrupts == 1);
        MIGRATE_POINT();
        write_all(p[1], "2", 1);
        WAIT_FOR(resizes == 1);
        struct winsize size;
        CHECK_SYS(ioctl(tty, TIOCGWINSZ, &size));
        CHECK_EQ(size.ws_row, 33);
        CHECK_SYS(close((int)CHECK_SYS(open("/dev/tty", O_RDWR))));
        MIGRATE_POINT();
        write_all(p[1], "3", 1);
        WAIT_FOR(hangups == 1);
        CHECK_EQ(interrupts, 1);
        _exit(0);
    }
    read_all(p[0], &byte, 1);
    write_all(master, "\003", 1);
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, '2');
    struct winsize size = {33, 99, 0, 0};
    CHECK_SYS(ioctl(master, TIOCSWINSZ, &size));
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, '3');
    MIGRATE_POINT();
    CHECK_SYS(close(master));
    CHECK_EXITED(child, 0);
    test_done();
}
