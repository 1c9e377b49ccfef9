// lseek in all its forms: the file position belongs to the open file and survives everything.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("data", O_RDWR | O_CREAT | O_EXCL, 0600));
    write_all(fd, "0123456789", 10);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
    MIGRATE_POINT();
    char byte;
    read_all(fd, &byte, 1);
    CHECK_EQ(byte, '4');
    CHECK_EQ(lseek(fd, -2, SEEK_END), 8);
    CHECK_EQ(lseek(fd, 100, SEEK_CUR), 108);
    MIGRATE_POINT();
    write_all(fd, "x", 1);
    struct stat st;
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 109);
    CHECK_EQ(lseek(fd, 3LL << 32, SEEK_SET), 3LL << 32);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3LL << 32);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3LL << 32);
    CHECK_SYS(close(fd));
    CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
    test_done();
}
