// FUTEX_WAIT (relative) and FUTEX_WAIT_BITSET (absolute, both clocks) time out at their time.
#include "pmi_test.h"
static uint32_t word = 1;
static void wait_once(int op, clockid_t clock) {
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 200);
    bool is_relative = (op & FUTEX_CMD_MASK) == FUTEX_WAIT;
    int64_t start = now_ns(), begin = clock_ns(clock);
    struct timespec limit = to_timespec(is_relative ? NSEC_PER_SEC : begin + NSEC_PER_SEC);
    CHECK_ERRNO(syscall(SYS_futex, &word, op, 1, &limit, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK(clock_ns(clock) >= begin + NSEC_PER_SEC);
    CHECK_ELAPSED_SLACK(start, 1000, 2);  // home's wall clock may be slewed meanwhile
    later_point_join(&later);
}
int main(void) {
    wait_once(FUTEX_WAIT_PRIVATE, CLOCK_MONOTONIC);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE, CLOCK_MONOTONIC);
    wait_once(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
    test_done();
}
