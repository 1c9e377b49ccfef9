// epoll_wait and epoll_pwait end at their time and are not interrupted when no handler ran.
#include "pmi_test.h"
#include <sys/epoll.h>
int main(void) {
    int p[2], ep = (int)CHECK_SYS(epoll_create1(0));
    CHECK_SYS(pipe(p));
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event));
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    int64_t start = now_ns();
    CHECK_EQ(epoll_wait(ep, &event, 1, 1500), 0);
    CHECK_ELAPSED(start, 1500);
    later_point_join(&later);
    MIGRATE_POINT_LATER(&later, 300);
    start = now_ns();
    sigset_t none;
    sigemptyset(&none);
    CHECK_EQ(epoll_pwait(ep, &event, 1, 1500, &none), 0);
    CHECK_ELAPSED(start, 1500);
    later_point_join(&later);
    test_done();
}
