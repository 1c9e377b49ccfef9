// timerfd: relative, absolute and interval timers keep their times and count their expiries.
#include "pmi_test.h"
#include <sys/timerfd.h>
int main(void) {
    int fd = (int)CHECK_SYS(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    struct itimerspec spec = {{0, 0}, {0, 200 * NSEC_PER_MSEC}}, left;
    int64_t start = now_ns();
    CHECK_SYS(timerfd_settime(fd, 0, &spec, NULL));
    MIGRATE_POINT();
    CHECK_SYS(timerfd_gettime(fd, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 200 * NSEC_PER_MSEC);
    uint64_t count = 0;
    CHECK_EQ(read(fd, &count, sizeof count), 8);
    CHECK_EQ(count, 1);
    CHECK_ELAPSED(start, 200);
    start = now_ns();
    spec.it_value = to_timespec(start + 150 * NSEC_PER_MSEC);
    CHECK_SYS(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL));
    MIGRATE_POINT();
    CHECK_EQ(read(fd, &count, sizeof count), 8);
    CHECK_EQ(count, 1);
    CHECK_ELAPSED(start, 150);
    start = now_ns();
    spec = (struct itimerspec){{0, 50 * NSEC_PER_MSEC}, {0, 50 * NSEC_PER_MSEC}};
    CHECK_SYS(timerfd_settime(fd, 0, &spec, NULL));
    uint64_t total = 0;
    MIGRATE_POINT();
    sleep_ms(120);
    while (total < 8) {
        CHECK_EQ(read(fd, &count, sizeof count), 8);
        CHECK(count >= 1);
        total += count;
    }
    CHECK(now_ns() - start >= (int64_t)total * 50 * NSEC_PER_MSEC);
    CHECK(now_ns() - start <= ((int64_t)total * 50 + 1500) * NSEC_PER_MSEC);
    spec = (struct itimerspec){{0, 0}, {0, 0}};
    CHECK_SYS(timerfd_settime(fd, 0, &spec, &left));
    CHECK_EQ(left.it_interval.tv_nsec, 50 * NSEC_PER_MSEC);
    test_done();
}
