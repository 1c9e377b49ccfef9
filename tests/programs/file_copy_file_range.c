// copy_file_range with explicit and implicit positions.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int in = (int)CHECK_SYS(open("in", O_RDWR | O_CREAT, 0600));
    int out = (int)CHECK_SYS(open("out", O_RDWR | O_CREAT, 0600));
    write_all(in, "0123456789", 10);
    loff_t from = 2, to = 3;
    MIGRATE_POINT();
    long copied = copy_file_range(in, &from, out, &to, 5, 0);
    if (copied == -1 && (errno == ENOSYS || errno == EOPNOTSUPP)) test_skip("no copy_file_range here");
    CHECK_EQ(copied, 5);
    CHECK_EQ(from, 7);
    CHECK_EQ(to, 8);
    char text[16];
    CHECK_EQ(pread(out, text, 16, 0), 8);
    CHECK(memcmp(text, "\0\0\00023456", 8) == 0);
    CHECK_EQ(lseek(in, 8, SEEK_SET), 8);
    MIGRATE_POINT();
    CHECK_EQ(copy_file_range(in, NULL, out, NULL, 100, 0), 2);
    CHECK_EQ(lseek(out, 0, SEEK_CUR), 2);
    CHECK_EQ(pread(out, text, 2, 0), 2);
    CHECK(memcmp(text, "89", 2) == 0);
    test_done();
}
