// fallocate: growing, KEEP_SIZE, punching a hole.
#include "pmi_test.h"
#include <linux/falloc.h>
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    struct stat st;
    if (fallocate(fd, 0, 0, 65536) == -1 && errno == EOPNOTSUPP) test_skip("no fallocate on this filesystem");
    MIGRATE_POINT();
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 65536);
    CHECK_SYS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536));
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 65536);
    char block[8192];
    memset(block, 'q', sizeof block);
    CHECK_EQ(pwrite(fd, block, sizeof block, 8192), (long)sizeof block);
    MIGRATE_POINT();
    CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 12288, 4096));
    CHECK_EQ(pread(fd, block, sizeof block, 8192), (long)sizeof block);
    for (int i = 0; i < 8192; i++) CHECK_EQ(block[i], i < 4096 ? 'q' : 0);
    CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_EQ(posix_fallocate(fd, 0, 200000), 0);
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 200000);
    test_done();
}
