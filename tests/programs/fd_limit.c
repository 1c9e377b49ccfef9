// RLIMIT_NOFILE: EMFILE exactly at the limit, the lowest number is always given first.
#include "pmi_test.h"
int main(void) {
    struct rlimit old, tight = {48, 0};
    CHECK_SYS(getrlimit(RLIMIT_NOFILE, &old));
    tight.rlim_max = old.rlim_max;
    CHECK_SYS(setrlimit(RLIMIT_NOFILE, &tight));
    MIGRATE_POINT();
    int first = -1, last = -1;
    for (;;) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd == -1) {
            CHECK_EQ(errno, EMFILE);
            break;
        }
        if (first == -1) first = fd;
        CHECK(fd > last);
        last = fd;
    }
    CHECK_EQ(last, 47);
    CHECK_ERRNO(dup(0), EMFILE);
    CHECK_SYS(close(30));
    CHECK_SYS(close(20));
    MIGRATE_POINT();
    CHECK_EQ(dup(first), 20);
    CHECK_EQ(open("/dev/null", O_WRONLY), 30);
    CHECK_SYS(setrlimit(RLIMIT_NOFILE, &old));
    MIGRATE_POINT();
    CHECK_EQ(open("/dev/null", O_WRONLY), 48);
    test_done();
}
