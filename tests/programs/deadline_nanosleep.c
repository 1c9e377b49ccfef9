// nanosleep and clock_nanosleep (relative and absolute) over a move of the sleeper: full length, no EINTR.
#include "pmi_test.h"
int main(void) {
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 200);
    int64_t start = now_ns();
    struct timespec length = {1, 0}, left = {7, 7};
    CHECK_SYS(nanosleep(&length, &left));
    CHECK_ELAPSED(start, 1000);
    later_point_join(&later);
    MIGRATE_POINT_LATER(&later, 200);
    start = now_ns();
    CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, 0, &length, &left));
    CHECK_ELAPSED(start, 1000);
    later_point_join(&later);
    MIGRATE_POINT_LATER(&later, 200);
    start = now_ns();
    struct timespec deadline = to_timespec(start + NSEC_PER_SEC);
    CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL));
    CHECK_ELAPSED(start, 1000);
    later_point_join(&later);
    test_done();
}
