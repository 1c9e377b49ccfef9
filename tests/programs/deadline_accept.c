// accept with SO_RCVTIMEO ends at its time; connect to it still works afterwards.
#include "pmi_test.h"
int main(void) {
    int listener = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(listen(listener, 1));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    struct timeval limit = {1, 500000};
    CHECK_SYS(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    int64_t start = now_ns();
    CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
    CHECK_ELAPSED_SLACK(start, 1500, 12);
    later_point_join(&later);
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(connect(fd, (struct sockaddr*)&address, sizeof address));
    CHECK_SYS(accept(listener, NULL, NULL));
    test_done();
}
