// Data that waits in a TCP receive queue, and connections that wait in the backlog, stay.
#include "pmi_test.h"
int main(void) {
    int listener = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(listen(listener, 8));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    int clients[4], own_port[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
        CHECK_SYS(connect(clients[i], (struct sockaddr*)&address, sizeof address));
        char text[16];
        int size = snprintf(text, sizeof text, "client %d", i);
        write_all(clients[i], text, (size_t)size);
        struct sockaddr_in own;
        length = sizeof own;
        CHECK_SYS(getsockname(clients[i], (struct sockaddr*)&own, &length));
        own_port[i] = own.sin_port;
    }
    MIGRATE_POINT();
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in peer;
        length = sizeof peer;
        int fd = (int)CHECK_SYS(accept(listener, (struct sockaddr*)&peer, &length));
        int which = 0;
        while (which < 4 && own_port[which] != peer.sin_port) which++;
        CHECK(which < 4);
        CHECK_SYS(close(clients[which]));
        char text[16] = {0}, expected[16];
        snprintf(expected, sizeof expected, "client %d", which);
        MIGRATE_POINT();
        CHECK_EQ(recv(fd, text, sizeof text, MSG_WAITALL), 8);
        CHECK_STR(text, expected);
        CHECK_SYS(close(fd));
    }
    test_done();
}
