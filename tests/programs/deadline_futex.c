// FUTEX_WAIT (relative) and FUTEX_WAIT_BITSET (absolute, both clocks) time out at their time.
#include "pmi_test.h"
static uint32_t word = 1;
static void wait_once(int op, clockid_t clock, bool is_absolute) {
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 200);
    // Not before: making a thread may take long.
    int64_t start = now_ns();
    struct timespec limit = is_absolute ? to_timespec(clock_ns(clock) + NSEC_PER_SEC + 10 * NSEC_PER_MSEC) : (struct timespec){1, 0};
    CHECK_ERRNO(syscall(SYS_futex, &word, op, 1, &limit, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK_ELAPSED_SLACK(start, 1000, 2);
    later_point_join(&later);
}
int main(void) {
    wait_once(FUTEX_WAIT_PRIVATE, CLOCK_MONOTONIC, false);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE, CLOCK_MONOTONIC, true);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, true);
    test_done();
}
