// select and pselect: sets in and out, high descriptors, time limits, the remaining time.
#include "pmi_test.h"
#include <sys/select.h>
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    CHECK_EQ(dup2(p[0], 600), 600);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(600, &in);
    FD_SET(p[1], &out);
    MIGRATE_POINT();
    CHECK_EQ(select(601, &in, &out, NULL, NULL), 1);
    CHECK(!FD_ISSET(600, &in) && FD_ISSET(p[1], &out));
    write_all(p[1], "x", 1);
    FD_SET(600, &in);
    MIGRATE_POINT();
    struct timeval limit = {10, 0};
    CHECK_EQ(select(601, &in, NULL, NULL, &limit), 1);
    CHECK(FD_ISSET(600, &in));
    CHECK(limit.tv_sec >= 8 && limit.tv_sec <= 10);  // Linux writes back what is left
    char byte;
    read_all(600, &byte, 1);
    MIGRATE_POINT();
    int64_t start = now_ns();
    limit = (struct timeval){0, 150000};
    CHECK_EQ(select(601, &in, NULL, NULL, &limit), 0);
    CHECK_ELAPSED(start, 150);
    CHECK(!FD_ISSET(600, &in));
    CHECK_EQ(limit.tv_sec, 0);
    CHECK_EQ(limit.tv_usec, 0);
    struct timespec spec = {0, 100 * NSEC_PER_MSEC};
    start = now_ns();
    CHECK_EQ(pselect(0, NULL, NULL, NULL, &spec, NULL), 0);
    CHECK_ELAPSED(start, 100);
    CHECK_SYS(close(p[0]));
    FD_SET(p[0], &in);
    CHECK_ERRNO(select(601, &in, NULL, NULL, NULL), EBADF);
    test_done();
}
