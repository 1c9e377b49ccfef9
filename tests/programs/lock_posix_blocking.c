// F_SETLKW waits for the holder; a circle of two waiters is EDEADLK.
#include "pmi_test.h"
static struct flock range(short type, off_t start) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
}
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int p[2];
    CHECK_SYS(pipe(p));
    struct flock zero = range(F_WRLCK, 0), one = range(F_WRLCK, 1);
    CHECK_SYS(fcntl(fd, F_SETLKW, &zero));
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(fcntl(fd, F_SETLKW, &one));
        write_all(p[1], "1", 1);
        CHECK_SYS(fcntl(fd, F_SETLKW, &zero));  // waits for the parent
        _exit(0);
    }
    char byte;
    read_all(p[0], &byte, 1);
    MIGRATE_POINT();
    // Until the child waits for us our own wait is none: ask again until the kernel sees the circle.
    int64_t limit = now_ns() + 10 * NSEC_PER_SEC;
    for (;;) {
        struct flock probe = range(F_WRLCK, 1);
        CHECK_SYS(fcntl(fd, F_GETLK, &probe));
        CHECK_EQ(probe.l_pid, child);
        char wchan[512];
        snprintf(wchan, sizeof wchan, "/proc/locks");
        static char locks[1 << 16];
        slurp(wchan, locks, sizeof locks);
        char waiter[64];
        snprintf(waiter, sizeof waiter, "-> POSIX  ADVISORY  WRITE %d ", child);
        if (strstr(locks, waiter)) break;
        CHECK(now_ns() < limit);
        sleep_ms(2);
    }
    CHECK_ERRNO(fcntl(fd, F_SETLKW, &one), EDEADLK);
    MIGRATE_POINT();
    zero.l_type = F_UNLCK;
    CHECK_SYS(fcntl(fd, F_SETLK, &zero));
    CHECK_EXITED(child, 0);
    CHECK_SYS(fcntl(fd, F_SETLKW, &one));
    test_done();
}
