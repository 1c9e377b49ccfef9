// A TCP connection over loopback between two threads: accepted, echoed, half closed.
#include "pmi_test.h"
static void* server(void* argument) {
    int listener = *(int*)argument;
    int fd = (int)CHECK_SYS(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    char buffer[4096];
    for (long got; (got = CHECK_SYS(recv(fd, buffer, sizeof buffer, 0))) > 0;) write_all(fd, buffer, (size_t)got);
    CHECK_SYS(close(fd));
    return NULL;
}
int main(void) {
    int listener = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t length = sizeof address;
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    CHECK(address.sin_port != 0);
    CHECK_SYS(listen(listener, 5));
    MIGRATE_POINT();
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, server, &listener));
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(connect(fd, (struct sockaddr*)&address, sizeof address));
    MIGRATE_POINT();
    length = sizeof peer;
    CHECK_SYS(getpeername(fd, (struct sockaddr*)&peer, &length));
    CHECK_EQ(peer.sin_port, address.sin_port);
    CHECK_EQ(length, sizeof peer);
    char out[3000], in[3000];
    for (int round = 0; round < 20; round++) {
        memset(out, 'a' + round, sizeof out);
        write_all(fd, out, sizeof out);
        if (round % 5 == 0) MIGRATE_POINT();
        read_all(fd, in, sizeof in);
        CHECK(memcmp(in, out, sizeof in) == 0);
    }
    CHECK_SYS(shutdown(fd, SHUT_WR));
    MIGRATE_POINT();
    CHECK_EQ(recv(fd, in, 1, 0), 0);
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
