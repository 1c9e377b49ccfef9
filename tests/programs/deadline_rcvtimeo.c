// SO_RCVTIMEO and SO_SNDTIMEO: EAGAIN at their time, never EINTR. They count in ticks: a tick early is
// allowed.
#include "pmi_test.h"
int main(void) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct timeval limit = {1, 300000};
    CHECK_SYS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_SYS(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    static char data[1 << 20];
    for (int i = 0; i < 2; i++) {
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 300);
        int64_t start = now_ns();
        if (i == 0) {
            CHECK_ERRNO(recv(pair[0], data, 1, 0), EAGAIN);
            CHECK_ELAPSED_SLACK(start, 1300, 12);
        } else {  // what fits is written; then the wait for more room ends
            long sent = CHECK_SYS(send(pair[0], data, sizeof data, 0));
            CHECK(sent > 0 && sent < (long)sizeof data);
            CHECK_ELAPSED_SLACK(start, 1300, 12);
        }
        later_point_join(&later);
    }
    test_done();
}
