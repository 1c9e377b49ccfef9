// Level-triggered epoll: reported until drained, MOD and DEL, one set for many pipes.
#include "pmi_test.h"
#include <sys/epoll.h>
int main(void) {
    int ep = (int)CHECK_SYS(epoll_create1(EPOLL_CLOEXEC)), p[10][2];
    for (int i = 0; i < 10; i++) {
        CHECK_SYS(pipe(p[i]));
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, p[i][0], &event));
    }
    struct epoll_event got[16];
    CHECK_EQ(epoll_wait(ep, got, 16, 0), 0);
    for (int i = 0; i < 10; i += 2) write_all(p[i][1], "xy", 2);
    MIGRATE_POINT();
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(epoll_wait(ep, got, 16, -1), 5);
        unsigned seen = 0;
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(got[i].events, EPOLLIN);
            seen |= 1u << got[i].data.u32;
            char byte;
            read_all(p[got[i].data.u32][0], &byte, 1);
        }
        CHECK_EQ(seen, 0x155);
        MIGRATE_POINT();
    }
    CHECK_EQ(epoll_wait(ep, got, 16, 0), 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLHUP, .data.u64 = 1ULL << 40};
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_MOD, p[1][0], &event));
    CHECK_SYS(close(p[1][1]));
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(ep, got, 16, -1), 1);
    CHECK_EQ(got[0].events, EPOLLHUP);
    CHECK_EQ(got[0].data.u64, 1ULL << 40);
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_DEL, p[1][0], NULL));
    CHECK_EQ(epoll_wait(ep, got, 16, 0), 0);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, p[0][0], &event), EEXIST);
    CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, p[1][0], NULL), ENOENT);
    CHECK_ERRNO(epoll_wait(ep, got, 0, 0), EINVAL);
    test_done();
}
