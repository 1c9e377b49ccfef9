// Scatter and gather: readv, writev, preadv, pwritev, empty and many vectors.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("data", O_RDWR | O_CREAT, 0600));
    struct iovec out[4] = {{(char*)"one", 3}, {(char*)"", 0}, {(char*)"two", 3}, {(char*)"three", 5}};
    CHECK_EQ(writev(fd, out, 4), 11);
    MIGRATE_POINT();
    char a[4], b[10];
    struct iovec in[2] = {{a, 4}, {b, 10}};
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(readv(fd, in, 2), 11);
    CHECK(memcmp(a, "onet", 4) == 0 && memcmp(b, "wothree", 7) == 0);
    MIGRATE_POINT();
    CHECK_EQ(pwritev(fd, out, 4, 100), 11);
    CHECK_EQ(preadv(fd, in, 2, 103), 8);
    CHECK(memcmp(a, "twot", 4) == 0 && memcmp(b, "hree", 4) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
    struct iovec many[IOV_MAX];
    char bytes[IOV_MAX];
    for (int i = 0; i < IOV_MAX; i++) {
        bytes[i] = (char)i;
        many[i] = (struct iovec){&bytes[i], 1};
    }
    CHECK_EQ(pwritev(fd, many, IOV_MAX, 0), IOV_MAX);
    memset(bytes, 0, sizeof bytes);
    MIGRATE_POINT();
    CHECK_EQ(preadv(fd, many, IOV_MAX, 0), IOV_MAX);
    for (int i = 0; i < IOV_MAX; i++) CHECK_EQ(bytes[i], (char)i);
    CHECK_ERRNO(syscall(SYS_writev, fd, many, IOV_MAX + 1), EINVAL);
    test_done();
}
