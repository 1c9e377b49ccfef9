// Threads blocked without a limit in poll, select and epoll_wait wake exactly when data comes.
#include "pmi_test.h"
#include <sys/epoll.h>
#include <sys/select.h>
static int pipes[3][2];
static atomic_int woken;
static void* poller(void* argument) {
    (void)argument;
    struct pollfd set = {pipes[0][0], POLLIN, 0};
    CHECK_EQ(poll(&set, 1, -1), 1);
    woken++;
    return NULL;
}
static void* selector(void* argument) {
    (void)argument;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[1][0], &set);
    CHECK_EQ(select(pipes[1][0] + 1, &set, NULL, NULL, NULL), 1);
    CHECK(FD_ISSET(pipes[1][0], &set));
    woken++;
    return NULL;
}
static void* epoller(void* argument) {
    (void)argument;
    int ep = (int)CHECK_SYS(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL};
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, pipes[2][0], &event));
    event.data.u64 = 0;
    CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
    CHECK_EQ(event.data.u64, 0x123456789abcdefULL);
    woken++;
    return NULL;
}
int main(void) {
    pthread_t threads[3];
    void* (*mains[3])(void*) = {poller, selector, epoller};
    for (int i = 0; i < 3; i++) {
        CHECK_SYS(pipe(pipes[i]));
        CHECK_ZERO(pthread_create(&threads[i], NULL, mains[i], NULL));
    }
    sleep_ms(50);
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        CHECK_EQ(woken, i);
        write_all(pipes[i][1], "x", 1);
        CHECK_ZERO(pthread_join(threads[i], NULL));
    }
    test_done();
}
