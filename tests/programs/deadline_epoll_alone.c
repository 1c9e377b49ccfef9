// A three second epoll_wait of a program with one thread.
#include "pmi_test.h"
#include <sys/epoll.h>
int main(void) {
    int ep = (int)CHECK_SYS(epoll_create1(0));
    struct epoll_event event;
    int64_t start = now_ns();
    CHECK_EQ(epoll_wait(ep, &event, 1, 3000), 0);
    CHECK_ELAPSED(start, 3000);
    test_done();
}
