// truncate and ftruncate: shrinking loses data, growing shows zeros.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("data", O_RDWR | O_CREAT, 0600));
    write_all(fd, "abcdefgh", 8);
    CHECK_SYS(ftruncate(fd, 3));
    MIGRATE_POINT();
    CHECK_SYS(truncate("data", 6));
    char buffer[8];
    CHECK_EQ(pread(fd, buffer, 8, 0), 6);
    CHECK(memcmp(buffer, "abc\0\0\0", 6) == 0);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
    CHECK_ERRNO(truncate("missing", 1), ENOENT);
    int reader = (int)CHECK_SYS(open("data", O_RDONLY));
    CHECK_ERRNO(ftruncate(reader, 1), EINVAL);
    int again = (int)CHECK_SYS(open("data", O_WRONLY | O_TRUNC));
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, buffer, 8, 0), 0);
    CHECK_SYS(close(again));
    test_done();
}
