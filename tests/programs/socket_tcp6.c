// The same over IPv6, with both ends in one thread.
#include "pmi_test.h"
int main(void) {
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    if (listener == -1 && errno == EAFNOSUPPORT) test_skip("no IPv6");
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, peer;
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr*)&address, length) == -1 && errno == EADDRNOTAVAIL) test_skip("no IPv6 loopback address");
    CHECK_SYS(listen(listener, 1));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    int a = (int)CHECK_SYS(socket(AF_INET6, SOCK_STREAM, 0));
    CHECK_SYS(connect(a, (struct sockaddr*)&address, sizeof address));
    MIGRATE_POINT();
    length = sizeof peer;
    int b = (int)CHECK_SYS(accept(listener, (struct sockaddr*)&peer, &length));
    CHECK_EQ(length, sizeof peer);
    struct sockaddr_in6 own;
    length = sizeof own;
    CHECK_SYS(getsockname(a, (struct sockaddr*)&own, &length));
    CHECK_EQ(own.sin6_port, peer.sin6_port);
    CHECK(IN6_IS_ADDR_LOOPBACK(&own.sin6_addr));
    write_all(a, "ping", 4);
    MIGRATE_POINT();
    char text[8];
    read_all(b, text, 4);
    write_all(b, "pong", 4);
    MIGRATE_POINT();
    read_all(a, text, 4);
    CHECK(memcmp(text, "pong", 4) == 0);
    CHECK_SYS(close(a));
    CHECK_EQ(recv(b, text, 1, 0), 0);
    test_done();
}
