// UDP: datagram boundaries, source addresses, truncation, connected sockets.
#include "pmi_test.h"
static int bound(struct sockaddr_in* address) {
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_DGRAM, 0));
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof *address;
    CHECK_SYS(bind(fd, (struct sockaddr*)address, length));
    CHECK_SYS(getsockname(fd, (struct sockaddr*)address, &length));
    return fd;
}
int main(void) {
    struct sockaddr_in a_address, b_address, from;
    int a = bound(&a_address), b = bound(&b_address);
    CHECK_EQ(sendto(a, "first", 5, 0, (struct sockaddr*)&b_address, sizeof b_address), 5);
    CHECK_EQ(sendto(a, "", 0, 0, (struct sockaddr*)&b_address, sizeof b_address), 0);
    CHECK_EQ(sendto(a, "third", 5, 0, (struct sockaddr*)&b_address, sizeof b_address), 5);
    MIGRATE_POINT();
    char text[16];
    socklen_t length = sizeof from;
    CHECK_EQ(recvfrom(b, text, sizeof text, 0, (struct sockaddr*)&from, &length), 5);
    CHECK(memcmp(text, "first", 5) == 0);
    CHECK_EQ(from.sin_port, a_address.sin_port);
    CHECK_EQ(recv(b, text, sizeof text, 0), 0);
    MIGRATE_POINT();
    CHECK_EQ(recv(b, text, 2, MSG_TRUNC), 5);  // the real length
    CHECK_ERRNO(recv(b, text, 2, MSG_DONTWAIT), EAGAIN);
    CHECK_SYS(connect(a, (struct sockaddr*)&b_address, sizeof b_address));
    CHECK_SYS(connect(b, (struct sockaddr*)&a_address, sizeof a_address));
    write_all(b, "reply", 5);
    MIGRATE_POINT();
    CHECK_EQ(read(a, text, sizeof text), 5);
    CHECK_SYS(close(b));
    CHECK_EQ(send(a, "x", 1, 0), 1);
    struct pollfd ready = {a, POLLIN, 0};
    CHECK_EQ(poll(&ready, 1, 2000), 1);
    MIGRATE_POINT();
    CHECK_ERRNO(recv(a, text, 1, 0), ECONNREFUSED);
    test_done();
}
