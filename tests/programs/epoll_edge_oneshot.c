// EPOLLET reports each arrival once; EPOLLONESHOT is silent until it is armed again.
#include "pmi_test.h"
#include <sys/epoll.h>
int main(void) {
    int ep = (int)CHECK_SYS(epoll_create1(0)), p[2], q[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(pipe(q));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = p[0]}, got;
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event));
    write_all(p[1], "a", 1);
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(ep, &got, 1, 50), 0);  // still unread, but not a new edge
    write_all(p[1], "b", 1);
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    CHECK_EQ(got.data.fd, p[0]);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = q[0]};
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &event));
    write_all(q[1], "c", 1);
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    CHECK_EQ(got.data.fd, q[0]);
    MIGRATE_POINT();
    write_all(q[1], "d", 1);
    CHECK_EQ(epoll_wait(ep, &got, 1, 50), 0);
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &event));
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    test_done();
}
