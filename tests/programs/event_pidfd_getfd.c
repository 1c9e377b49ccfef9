// pidfd_getfd takes a descriptor out of a child.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int p[2], q[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(pipe(q));
    pid_t child = fork();
    if (child == 0) {
        int file = (int)CHECK_SYS(open("childs", O_RDWR | O_CREAT, 0600));
        CHECK_EQ(dup2(file, 300), 300);
        write_all(file, "from the child", 14);
        MIGRATE_POINT();
        write_all(p[1], "r", 1);
        char byte;
        read_all(q[0], &byte, 1);
        _exit(0);
    }
    char byte, text[32] = {0};
    read_all(p[0], &byte, 1);
    int pidfd = (int)CHECK_SYS(syscall(SYS_pidfd_open, child, 0));
    MIGRATE_POINT();
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, 300, 0);
    if (fd == -1 && (errno == ENOSYS || errno == EPERM)) {
        write_all(q[1], "x", 1);
        wait_status(child);
        test_skip("no pidfd_getfd here");
    }
    CHECK_SYS(fd);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, text, 32, 0), 14);
    CHECK_STR(text, "from the child");
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, pidfd, 301, 0), EBADF);
    write_all(q[1], "x", 1);
    CHECK_EXITED(child, 0);
    test_done();
}
