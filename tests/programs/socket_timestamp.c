// SO_TIMESTAMP: the kernel's receive time agrees with CLOCK_REALTIME.
#include "pmi_test.h"
int main(void) {
    int pair[2], one = 1;
    CHECK_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    CHECK_SYS(setsockopt(pair[1], SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one));
    int64_t before = clock_ns(CLOCK_REALTIME);
    CHECK_EQ(send(pair[0], "x", 1, 0), 1);
    MIGRATE_POINT();
    char byte;
    union {
        struct cmsghdr header;
        char bytes[64];
    } control;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(pair[1], &message, 0), 1);
    struct cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    CHECK(cmsg != NULL && cmsg->cmsg_type == SCM_TIMESTAMP);
    struct timeval stamp;
    memcpy(&stamp, CMSG_DATA(cmsg), sizeof stamp);
    int64_t at = stamp.tv_sec * NSEC_PER_SEC + stamp.tv_usec * 1000LL;
    CHECK(at >= before - 10 * NSEC_PER_MSEC);
    CHECK(at <= clock_ns(CLOCK_REALTIME) + 10 * NSEC_PER_MSEC);
    test_done();
}
