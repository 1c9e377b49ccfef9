// Refused connections, and a nonblocking connect that reports through SO_ERROR.
#include "pmi_test.h"
int main(void) {
    int probe = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK_SYS(bind(probe, (struct sockaddr*)&address,
                   length));  // bound but not listening: nobody else gets the port
    CHECK_SYS(getsockname(probe, (struct sockaddr*)&address, &length));
    MIGRATE_POINT();
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, sizeof address), ECONNREFUSED);
    int slow = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    int result = connect(slow, (struct sockaddr*)&address, sizeof address);
    CHECK(result == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    MIGRATE_POINT();
    if (errno == EINPROGRESS) {
        struct pollfd ready = {slow, POLLOUT, 0};
        CHECK_EQ(poll(&ready, 1, 2000), 1);
        int error = 0;
        length = sizeof error;
        CHECK_SYS(getsockopt(slow, SOL_SOCKET, SO_ERROR, &error, &length));
        CHECK_EQ(error, ECONNREFUSED);
    }
    CHECK_SYS(listen(probe, 1));
    int good = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    result = connect(good, (struct sockaddr*)&address, sizeof address);
    CHECK(result == 0 || errno == EINPROGRESS);
    MIGRATE_POINT();
    struct pollfd ready = {good, POLLOUT, 0};
    CHECK_EQ(poll(&ready, 1, 2000), 1);
    CHECK_EQ(ready.revents, POLLOUT);
    CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, 3), EINVAL);
    test_done();
}
