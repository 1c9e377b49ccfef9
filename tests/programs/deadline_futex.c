// FUTEX_WAIT (relative) and FUTEX_WAIT_BITSET (absolute, both clocks) time out at their time.
#include "pmi_test.h"
static uint32_t word = 1;
static void wait_once(int op, struct timespec* limit) {
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 200);
    int64_t start = now_ns();
    CHECK_ERRNO(syscall(SYS_futex, &word, op, 1, limit, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK_ELAPSED_SLACK(start, 1000, 2);
    later_point_join(&later);
}
int main(void) {
    struct timespec limit = {1, 0};
    wait_once(FUTEX_WAIT_PRIVATE, &limit);
    limit = to_timespec(now_ns() + NSEC_PER_SEC + 10 * NSEC_PER_MSEC);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE, &limit);
    limit = to_timespec(clock_ns(CLOCK_REALTIME) + NSEC_PER_SEC + 10 * NSEC_PER_MSEC);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, &limit);
    test_done();
}
