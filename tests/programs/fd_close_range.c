// close_range closes a range, and CLOSE_RANGE_CLOEXEC only marks it.
#include "pmi_test.h"
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif
int main(void) {
    int base = (int)CHECK_SYS(open("/dev/null", O_RDONLY));
    for (int fd = 100; fd < 110; fd++) CHECK_EQ(dup2(base, fd), fd);
    MIGRATE_POINT();
    if (syscall(SYS_close_range, 102, 104, 0) == -1 && errno == ENOSYS) test_skip("no close_range");
    for (int fd = 100; fd < 110; fd++) {
        if (fd >= 102 && fd <= 104)
            CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
        else
            CHECK_EQ(fcntl(fd, F_GETFD), 0);
    }
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_close_range, 106, 107, CLOSE_RANGE_CLOEXEC));
    CHECK_EQ(fcntl(105, F_GETFD), 0);
    CHECK_EQ(fcntl(106, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(107, F_GETFD), FD_CLOEXEC);
    CHECK_ERRNO(syscall(SYS_close_range, 9, 8, 0), EINVAL);
    CHECK_SYS(syscall(SYS_close_range, 100, ~0U, 0));
    MIGRATE_POINT();
    for (int fd = 100; fd < 110; fd++) CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
    CHECK_EQ(fcntl(base, F_GETFD), 0);
    test_done();
}
