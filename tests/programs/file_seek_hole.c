// SEEK_DATA and SEEK_HOLE in a sparse file.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("sparse", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, 4 << 20));
    char block[4096];
    memset(block, 'd', sizeof block);
    CHECK_EQ(pwrite(fd, block, sizeof block, 1 << 20), (long)sizeof block);
    MIGRATE_POINT();
    off_t data = lseek(fd, 0, SEEK_DATA);
    CHECK(data == 1 << 20 || data == 0);  // a filesystem without holes says 0
    off_t hole = lseek(fd, 1 << 20, SEEK_HOLE);
    CHECK(hole == (1 << 20) + 4096 || hole == 4 << 20);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, (4 << 20) - 1, SEEK_HOLE) >= (4 << 20) - 1, 1);
    CHECK_ERRNO(lseek(fd, 4 << 20, SEEK_DATA), ENXIO);
    test_done();
}
