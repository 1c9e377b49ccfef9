// fsync, fdatasync, syncfs, sync_file_range, posix_fadvise, readahead succeed and change nothing.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    char data[8192];
    memset(data, 5, sizeof data);
    write_all(fd, data, sizeof data);
    MIGRATE_POINT();
    CHECK_SYS(fsync(fd));
    CHECK_SYS(fdatasync(fd));
    CHECK_SYS(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
    MIGRATE_POINT();
    CHECK_ZERO(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    CHECK_SYS(readahead(fd, 0, 8192));
    char back[8192];
    CHECK_EQ(pread(fd, back, sizeof back, 0), (long)sizeof back);
    CHECK(memcmp(data, back, sizeof data) == 0);
    int p[2];
    CHECK_SYS(pipe(p));
    CHECK_ERRNO(fsync(p[0]), EINVAL);
    test_done();
}
