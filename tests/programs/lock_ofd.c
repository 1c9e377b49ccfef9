// Open-file-description locks conflict between opens of one process and live until the last close.
#include "pmi_test.h"
static int ofd_lock(int fd, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &lock);
}
int main(void) {
    enter_scratch();
    int a = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int b = (int)CHECK_SYS(open("file", O_RDWR));
    CHECK_SYS(ofd_lock(a, F_WRLCK, 0, 100));
    MIGRATE_POINT();
    CHECK_ERRNO(ofd_lock(b, F_RDLCK, 99, 1), EAGAIN);
    CHECK_SYS(ofd_lock(b, F_WRLCK, 100, 1));
    struct flock probe = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    CHECK_SYS(fcntl(b, F_OFD_GETLK, &probe));
    CHECK_EQ(probe.l_pid, -1);
    CHECK_EQ(probe.l_type, F_WRLCK);
    int copy = (int)CHECK_SYS(dup(a));
    CHECK_SYS(close(a));
    MIGRATE_POINT();
    CHECK_ERRNO(ofd_lock(b, F_RDLCK, 0, 1), EAGAIN);
    CHECK_SYS(close(copy));
    MIGRATE_POINT();
    CHECK_SYS(ofd_lock(b, F_WRLCK, 0, 0));
    test_done();
}
