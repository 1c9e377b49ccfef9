// A timerfd of CLOCK_REALTIME and of CLOCK_BOOTTIME wakes poll and epoll in time.
#include "pmi_test.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>
int main(void) {
    clockid_t clocks[2] = {CLOCK_REALTIME, CLOCK_BOOTTIME};
    for (int i = 0; i < 2; i++) {
        int fd = (int)CHECK_SYS(timerfd_create(clocks[i], TFD_NONBLOCK));
        int64_t start = now_ns();
        struct itimerspec spec = {{0, 0}, to_timespec(clock_ns(clocks[i]) + 250 * NSEC_PER_MSEC)};
        CHECK_SYS(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL));
        uint64_t count;
        MIGRATE_POINT();
        if (i == 0) {
            struct pollfd set = {fd, POLLIN, 0};
            CHECK_EQ(poll(&set, 1, 5000), 1);
        } else {
            int ep = (int)CHECK_SYS(epoll_create1(0));
            struct epoll_event event = {.events = EPOLLIN};
            CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
            CHECK_EQ(epoll_wait(ep, &event, 1, 5000), 1);
        }
        CHECK_ELAPSED_SLACK(start, 250, 2);
        CHECK_EQ(read(fd, &count, sizeof count), 8);
        CHECK_EQ(count, 1);
        CHECK_ERRNO(read(fd, &count, sizeof count), EAGAIN);
    }
    test_done();
}
