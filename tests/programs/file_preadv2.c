// preadv2 and pwritev2: offset -1 means the position; RWF_APPEND; an unknown flag is refused.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("data", O_RDWR | O_CREAT, 0600));
    struct iovec out = {(char*)"hello", 5};
    CHECK_EQ(pwritev2(fd, &out, 1, -1, 0), 5);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    char buffer[16] = {0};
    struct iovec in = {buffer, 3};
    CHECK_EQ(preadv2(fd, &in, 1, -1, 0), 3);
    CHECK_STR(buffer, "ell");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    MIGRATE_POINT();
    CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_APPEND), 5);
    struct stat st;
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 10);
    in.iov_len = 10;
    CHECK_EQ(preadv2(fd, &in, 1, 0, 0), 10);
    CHECK_STR(buffer, "hellohello");
    CHECK_ERRNO(preadv2(fd, &in, 1, 0, 1 << 30), EOPNOTSUPP);
    test_done();
}
