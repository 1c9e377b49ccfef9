// poll and ppoll that wait for nothing end at their time.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    struct pollfd set = {p[0], POLLIN, 0};
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    int64_t start = now_ns();
    CHECK_EQ(poll(&set, 1, 1500), 0);
    CHECK_ELAPSED(start, 1500);
    later_point_join(&later);
    MIGRATE_POINT_LATER(&later, 300);
    start = now_ns();
    struct timespec limit = {1, 500 * NSEC_PER_MSEC};
    CHECK_EQ(ppoll(&set, 1, &limit, NULL), 0);
    CHECK_ELAPSED(start, 1500);
    later_point_join(&later);
    test_done();
}
