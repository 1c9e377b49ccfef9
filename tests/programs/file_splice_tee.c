// splice file to pipe to file, tee from pipe to pipe, vmsplice of memory.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int in = (int)CHECK_SYS(open("in", O_RDWR | O_CREAT, 0600));
    write_all(in, "the quick brown fox", 19);
    int p[2], q[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(pipe(q));
    loff_t offset = 4;
    CHECK_EQ(splice(in, &offset, p[1], NULL, 11, 0), 11);
    CHECK_EQ(offset, 15);
    MIGRATE_POINT();
    CHECK_EQ(tee(p[0], q[1], 100, 0), 11);
    int out = (int)CHECK_SYS(open("out", O_RDWR | O_CREAT, 0600));
    MIGRATE_POINT();
    CHECK_EQ(splice(p[0], NULL, out, NULL, 100, 0), 11);
    char text[32] = {0};
    CHECK_EQ(pread(out, text, 31, 0), 11);
    CHECK_STR(text, "quick brown");
    memset(text, 0, sizeof text);
    CHECK_EQ(read(q[0], text, 31), 11);
    CHECK_STR(text, "quick brown");
    struct iovec vector = {(char*)"memory", 6};
    CHECK_EQ(vmsplice(q[1], &vector, 1, 0), 6);
    MIGRATE_POINT();
    memset(text, 0, sizeof text);
    CHECK_EQ(read(q[0], text, 31), 6);
    CHECK_STR(text, "memory");
    CHECK_ERRNO(splice(p[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(splice(in, NULL, out, NULL, 10, 0), EINVAL);
    test_done();
}
