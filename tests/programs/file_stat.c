// stat, fstat, lstat and fstatat agree, before and after a point.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(fchmod(fd, 0641));
    write_all(fd, "12345", 5);
    struct stat before, after;
    CHECK_SYS(fstat(fd, &before));
    CHECK_EQ(before.st_mode, S_IFREG | 0641);
    CHECK_EQ(before.st_size, 5);
    CHECK_EQ(before.st_uid, geteuid());
    MIGRATE_POINT();
    CHECK_SYS(stat("file", &after));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_SYS(fstatat(AT_FDCWD, "file", &after, AT_SYMLINK_NOFOLLOW));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_SYS(fstatat(fd, "", &after, AT_EMPTY_PATH));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    MIGRATE_POINT();
    CHECK_SYS(stat("/proc/self/exe", &before));
    CHECK(S_ISREG(before.st_mode) && (before.st_mode & 0100));
    CHECK_ERRNO(stat("missing", &after), ENOENT);
    CHECK_ERRNO(stat("file/x", &after), ENOTDIR);
    CHECK_ERRNO(stat("", &after), ENOENT);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, (char*)8, &after, 0), EFAULT);
    test_done();
}
