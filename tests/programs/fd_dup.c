// dup, dup2, dup3: shared position, lowest free number, close-on-exec not copied.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    int copy = (int)CHECK_SYS(dup(fd));
    CHECK_EQ(copy, fd + 1);
    MIGRATE_POINT();
    write_all(fd, "abc", 3);
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 3);
    CHECK_EQ(fcntl(copy, F_GETFD), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup2(fd, 200), 200);
    MIGRATE_POINT();
    CHECK_EQ(lseek(200, 1, SEEK_SET), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);
    CHECK_EQ(dup3(fd, 201, O_CLOEXEC), 201);
    CHECK_EQ(fcntl(201, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup2(fd, fd), fd);
    CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
    CHECK_EQ(fcntl(fd, F_DUPFD, 150), 150);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 150), 151);
    CHECK_SYS(close(fd));
    MIGRATE_POINT();
    CHECK_ERRNO(dup(fd), EBADF);
    CHECK_EQ(dup(copy), fd);  // the lowest free one
    CHECK_EQ(lseek(151, 0, SEEK_CUR), 1);
    test_done();
}
