// F_SETLEASE: a reader elsewhere breaks the lease and the holder is told by a signal.
#include "pmi_test.h"
static volatile sig_atomic_t broken;
static void on_break(int sig) {
    (void)sig;
    broken = 1;
}
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    struct sigaction action = {.sa_handler = on_break, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGIO, &action, NULL));
    if (fcntl(fd, F_SETLEASE, F_WRLCK) == -1) test_skip("no leases on this filesystem");
    MIGRATE_POINT();
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_WRLCK);
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(close(fd));
        CHECK_ERRNO(open("file", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
        CHECK_SYS(open("file", O_RDONLY));
        _exit(0);
    }
    WAIT_FOR(broken);
    MIGRATE_POINT();
    CHECK_SYS(fcntl(fd, F_SETLEASE, F_UNLCK));
    CHECK_EXITED(child, 0);
    test_done();
}
