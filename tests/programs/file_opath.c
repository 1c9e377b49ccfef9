// An O_PATH descriptor: no data access, but fstat, openat, fchdir and readlink work on it.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    CHECK_SYS(mkdir("sub", 0700));
    int fd = (int)CHECK_SYS(open("sub/file", O_WRONLY | O_CREAT, 0600));
    write_all(fd, "xyz", 3);
    int path = (int)CHECK_SYS(open("sub/file", O_PATH));
    int dir = (int)CHECK_SYS(open("sub", O_PATH | O_DIRECTORY));
    MIGRATE_POINT();
    char buffer[4];
    CHECK_ERRNO(read(path, buffer, 1), EBADF);
    struct stat a, b;
    CHECK_SYS(fstat(path, &a));
    CHECK_SYS(fstat(fd, &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(fcntl(path, F_GETFL) & O_PATH, O_PATH);
    MIGRATE_POINT();
    int opened = (int)CHECK_SYS(openat(dir, "file", O_RDONLY));
    read_all(opened, buffer, 3);
    CHECK_SYS(fchdir(dir));
    MIGRATE_POINT();
    CHECK_SYS(access("file", R_OK));
    CHECK_SYS(symlink("nowhere", "link"));
    int link = (int)CHECK_SYS(open("link", O_PATH | O_NOFOLLOW));
    MIGRATE_POINT();
    char target[16] = {0};
    CHECK_EQ(readlinkat(link, "", target, sizeof target), 7);
    CHECK_STR(target, "nowhere");
    test_done();
}
