// getsockopt and setsockopt of several levels and sizes, kept over points.
#include "pmi_test.h"
#include <netinet/tcp.h>
static int get(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    CHECK_SYS(getsockopt(fd, level, name, &value, &length));
    CHECK_EQ(length, sizeof value);
    return value;
}
int main(void) {
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    int one = 1, size = 100000, idle = 77;
    CHECK_EQ(get(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    CHECK_EQ(get(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
    CHECK_EQ(get(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    CHECK_SYS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    CHECK_SYS(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle));
    struct linger linger = {1, 3}, read_back = {0, 0};
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    MIGRATE_POINT();
    CHECK_EQ(get(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    CHECK_EQ(get(fd, SOL_SOCKET, SO_RCVBUF), 200000);
    CHECK_EQ(get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    socklen_t length = sizeof read_back;
    CHECK_SYS(getsockopt(fd, SOL_SOCKET, SO_LINGER, &read_back, &length));
    CHECK_EQ(read_back.l_linger, 3);
    struct tcp_info info;
    length = sizeof info;
    MIGRATE_POINT();
    CHECK_SYS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
    CHECK_EQ(info.tcpi_state, TCP_CLOSE);
    char small[2];
    length = sizeof small;
    CHECK_SYS(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, small, &length));
    CHECK_EQ(length, 2);
    CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, 9999, &one, sizeof one), ENOPROTOOPT);
    CHECK_ERRNO(setsockopt(0, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), ENOTSOCK);
    test_done();
}
