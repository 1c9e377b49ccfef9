// F_GETFL, F_SETFL and FD_CLOEXEC are per open file and per descriptor.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe2(p, O_CLOEXEC));
    CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
    CHECK_SYS(fcntl(p[0], F_SETFD, 0));
    CHECK_SYS(fcntl(p[0], F_SETFL, O_NONBLOCK));
    MIGRATE_POINT();
    CHECK_EQ(fcntl(p[0], F_GETFD), 0);
    CHECK_EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK_EQ(fcntl(p[1], F_GETFL) & O_ACCMODE, O_WRONLY);
    char byte;
    MIGRATE_POINT();
    CHECK_ERRNO(read(p[0], &byte, 1), EAGAIN);
    int copy = (int)CHECK_SYS(dup(p[0]));
    CHECK_SYS(fcntl(copy, F_SETFL, 0));
    MIGRATE_POINT();
    CHECK_EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    int one = 1;
    CHECK_SYS(ioctl(p[0], FIONBIO, &one));
    CHECK_SYS(ioctl(copy, FIOCLEX));
    MIGRATE_POINT();
    CHECK_EQ(fcntl(copy, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
    write_all(p[1], "12345", 5);
    int count = 0;
    CHECK_SYS(ioctl(p[0], FIONREAD, &count));
    CHECK_EQ(count, 5);
    CHECK_ERRNO(fcntl(999, F_GETFD), EBADF);
    test_done();
}
