// Hard links share the inode; symbolic links are read and followed, loops are found.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_WRONLY | O_CREAT, 0600));
    write_all(fd, "v", 1);
    CHECK_SYS(link("file", "hard"));
    CHECK_SYS(symlink("file", "soft"));
    MIGRATE_POINT();
    struct stat a, b;
    CHECK_SYS(stat("file", &a));
    CHECK_SYS(stat("hard", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(a.st_nlink, 2);
    CHECK_SYS(lstat("soft", &b));
    CHECK(S_ISLNK(b.st_mode));
    CHECK_EQ(b.st_size, 4);
    char target[16];
    memset(target, '#', sizeof target);
    MIGRATE_POINT();
    CHECK_EQ(readlink("soft", target, sizeof target), 4);
    CHECK(memcmp(target, "file#", 5) == 0);  // no terminator is written
    CHECK_EQ(readlink("soft", target, 2), 2);
    CHECK_SYS(symlink("loop2", "loop1"));
    CHECK_SYS(symlink("loop1", "loop2"));
    MIGRATE_POINT();
    CHECK_ERRNO(open("loop1", O_RDONLY), ELOOP);
    CHECK_ERRNO(open("soft", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_SYS(unlink("file"));
    CHECK_ERRNO(open("soft", O_RDONLY), ENOENT);
    CHECK_ERRNO(link("file", "x"), ENOENT);
    test_done();
}
