// A pty pair: line discipline, echo, raw mode, window size and queued input are kept.
#include "pmi_test.h"
#include <termios.h>
static int open_pair(int* master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    if (*master == -1) test_skip("no ptys");
    CHECK_SYS(grantpt(*master));
    CHECK_SYS(unlockpt(*master));
    char name[64];
    CHECK_ZERO(ptsname_r(*master, name, sizeof name));
    return (int)CHECK_SYS(open(name, O_RDWR | O_NOCTTY));
}
int main(void) {
    int master, slave = open_pair(&master);
    CHECK(isatty(slave));
    struct termios mode, now;
    CHECK_SYS(tcgetattr(slave, &mode));
    CHECK(mode.c_lflag & ICANON);
    write_all(master, "typed\n", 6);
    MIGRATE_POINT();
    char text[32] = {0};
    CHECK_EQ(read(slave, text, sizeof text), 6);
    CHECK_STR(text, "typed\n");
    memset(text, 0, sizeof text);
    CHECK_EQ(read(master, text, sizeof text), 7);
    CHECK_STR(text, "typed\r\n");  // the echo
    write_all(master, "half", 4);
    struct winsize size = {40, 132, 640, 480}, back;
    CHECK_SYS(ioctl(master, TIOCSWINSZ, &size));
    MIGRATE_POINT();
    CHECK_SYS(ioctl(slave, TIOCGWINSZ, &back));
    CHECK(memcmp(&size, &back, sizeof size) == 0);
    write_all(master, "\x7f\x7flt\n", 5);  // edits the unfinished line
    memset(text, 0, sizeof text);
    CHECK_EQ(read(slave, text, sizeof text), 5);
    CHECK_STR(text, "halt\n");
    cfmakeraw(&mode);
    mode.c_cc[VMIN] = 3;
    CHECK_SYS(tcsetattr(slave, TCSANOW, &mode));
    CHECK_SYS(tcflush(master, TCIFLUSH));
    MIGRATE_POINT();
    CHECK_SYS(tcgetattr(slave, &now));
    CHECK_EQ(now.c_lflag & (ICANON | ECHO | ISIG), 0);
    CHECK_EQ(now.c_cc[VMIN], 3);
    write_all(master, "\003\n\r", 3);
    CHECK_EQ(read(slave, text, sizeof text), 3);
    CHECK(memcmp(text, "\003\n\r", 3) == 0);
    write_all(slave, "out\n", 4);
    MIGRATE_POINT();
    CHECK_EQ(read(master, text, sizeof text), 4);
    test_done();
}
