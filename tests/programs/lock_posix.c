// fcntl record locks: ranges, the holder's PID by F_GETLK, not inherited by fork, dropped by any close.
#include "pmi_test.h"
static int try_lock(int fd, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_SETLK, &lock);
}
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    pid_t holder = getpid();
    CHECK_SYS(try_lock(fd, F_WRLCK, 10, 20));
    CHECK_SYS(try_lock(fd, F_RDLCK, 50, 10));
    MIGRATE_POINT();
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        CHECK_ERRNO(try_lock(fd, F_WRLCK, 15, 1), EAGAIN);
        CHECK_ERRNO(try_lock(fd, F_WRLCK, 55, 1), EAGAIN);
        CHECK_SYS(try_lock(fd, F_RDLCK, 55, 1));
        CHECK_SYS(try_lock(fd, F_WRLCK, 30, 20));
        struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 25};
        CHECK_SYS(fcntl(fd, F_GETLK, &probe));
        CHECK_EQ(probe.l_type, F_WRLCK);
        CHECK_EQ(probe.l_pid, holder);
        CHECK_EQ(probe.l_start, 10);
        CHECK_EQ(probe.l_len, 20);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    CHECK_SYS(close((int)CHECK_SYS(open("file", O_RDONLY))));  // drops all of this process's locks on the file
    child = fork();
    if (child == 0) {
        CHECK_SYS(try_lock(fd, F_WRLCK, 0, 0));
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    CHECK_SYS(try_lock(fd, F_WRLCK, 0, 0));
    test_done();
}
