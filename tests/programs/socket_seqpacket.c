// SOCK_SEQPACKET: boundaries, MSG_EOR-less truncation flag, end of file.
#include "pmi_test.h"
int main(void) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    CHECK_EQ(send(pair[0], "long message", 12, 0), 12);
    CHECK_EQ(send(pair[0], "short", 5, 0), 5);
    MIGRATE_POINT();
    char text[8];
    struct iovec vector = {text, sizeof text};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(pair[1], &message, 0), 8);
    CHECK(message.msg_flags & MSG_TRUNC);
    MIGRATE_POINT();
    CHECK_EQ(recvmsg(pair[1], &message, 0), 5);
    CHECK_EQ(message.msg_flags & MSG_TRUNC, 0);
    CHECK(memcmp(text, "short", 5) == 0);
    CHECK_SYS(close(pair[0]));
    MIGRATE_POINT();
    CHECK_EQ(recv(pair[1], text, 8, 0), 0);
    CHECK_ERRNO(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    test_done();
}
