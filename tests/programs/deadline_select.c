// select and pselect end at their time.
#include "pmi_test.h"
#include <sys/select.h>
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    int64_t start = now_ns();
    struct timeval limit = {1, 500000};
    CHECK_EQ(select(p[0] + 1, &set, NULL, NULL, &limit), 0);
    CHECK_ELAPSED(start, 1500);
    CHECK_EQ(limit.tv_sec, 0);
    CHECK_EQ(limit.tv_usec, 0);
    later_point_join(&later);
    MIGRATE_POINT_LATER(&later, 300);
    FD_SET(p[0], &set);
    start = now_ns();
    struct timespec spec = {1, 500 * NSEC_PER_MSEC};
    CHECK_EQ(pselect(p[0] + 1, &set, NULL, NULL, &spec, NULL), 0);
    CHECK_ELAPSED(start, 1500);
    later_point_join(&later);
    test_done();
}
