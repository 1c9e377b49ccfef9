// pread and pwrite leave the position alone, at small and large offsets.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("data", O_RDWR | O_CREAT, 0600));
    write_all(fd, "abcdef", 6);
    MIGRATE_POINT();
    char buffer[8] = {0};
    CHECK_EQ(pread(fd, buffer, 3, 2), 3);
    CHECK_STR(buffer, "cde");
    CHECK_EQ(pwrite(fd, "XY", 2, 1), 2);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    CHECK_EQ(pread(fd, buffer, 8, 0), 6);
    CHECK(memcmp(buffer, "aXYdef", 6) == 0);
    CHECK_EQ(pread(fd, buffer, 8, 6), 0);
    CHECK_EQ(pwrite(fd, "far", 3, 5LL << 30), 3);
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, buffer, 3, 5LL << 30), 3);
    CHECK(memcmp(buffer, "far", 3) == 0);
    CHECK_ERRNO(pread(fd, buffer, 1, -1), EINVAL);
    int pipes[2];
    CHECK_SYS(pipe(pipes));
    CHECK_ERRNO(pread(pipes[0], buffer, 1, 0), ESPIPE);
    test_done();
}
