// A child that waits in flock gets the lock when the parent lets go, not before.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int p[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(flock(fd, LOCK_EX));
    pid_t child = fork();
    if (child == 0) {
        int own = (int)CHECK_SYS(open("file", O_RDWR));
        write_all(p[1], "w", 1);
        CHECK_SYS(flock(own, LOCK_EX));
        write_all(p[1], "l", 1);
        char text[8];
        CHECK_EQ(pread(own, text, 8, 0), 4);
        _exit(0);
    }
    char byte;
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, 'w');
    MIGRATE_POINT();
    struct pollfd ready = {p[0], POLLIN, 0};
    CHECK_EQ(poll(&ready, 1, 100), 0);
    write_all(fd, "data", 4);
    CHECK_SYS(flock(fd, LOCK_UN));
    read_all(p[0], &byte, 1);
    CHECK_EQ(byte, 'l');
    CHECK_EXITED(child, 0);
    test_done();
}
