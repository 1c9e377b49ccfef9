// statx: mask, mode, birth time, and the same device as stat.
#include "pmi_test.h"
#include <sys/sysmacros.h>
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(fchmod(fd, 0604));
    write_all(fd, "123", 3);
    struct statx x;
    struct stat st;
    MIGRATE_POINT();
    CHECK_SYS(statx(AT_FDCWD, "file", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x));
    CHECK_SYS(stat("file", &st));
    CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
    CHECK_EQ(x.stx_mode, S_IFREG | 0604);
    CHECK_EQ(x.stx_size, 3);
    CHECK_EQ(x.stx_ino, st.st_ino);
    CHECK_EQ(x.stx_dev_major, major(st.st_dev));
    CHECK_EQ(x.stx_dev_minor, minor(st.st_dev));
    CHECK_EQ(x.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
    MIGRATE_POINT();
    struct statx again;
    CHECK_SYS(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &again));
    CHECK_EQ(again.stx_ino, x.stx_ino);
    CHECK_EQ(again.stx_ctime.tv_nsec, x.stx_ctime.tv_nsec);
    if (x.stx_mask & STATX_BTIME) CHECK_EQ(again.stx_btime.tv_sec, x.stx_btime.tv_sec);
    CHECK_ERRNO(statx(AT_FDCWD, "none", 0, STATX_ALL, &x), ENOENT);
    test_done();
}
