// shutdown in each direction: end of file for the peer, EPIPE for the writer, poll's RDHUP and HUP.
#include "pmi_test.h"
int main(void) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    write_all(pair[0], "tail", 4);
    CHECK_SYS(shutdown(pair[0], SHUT_WR));
    MIGRATE_POINT();
    struct pollfd state = {pair[1], POLLIN | POLLRDHUP, 0};
    CHECK_EQ(poll(&state, 1, 0), 1);
    CHECK_EQ(state.revents, POLLIN | POLLRDHUP);
    char text[8];
    CHECK_EQ(recv(pair[1], text, 8, 0), 4);
    CHECK_EQ(recv(pair[1], text, 8, 0), 0);
    CHECK_ERRNO(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    MIGRATE_POINT();
    write_all(pair[1], "back", 4);
    CHECK_EQ(recv(pair[0], text, 8, 0), 4);
    CHECK_SYS(shutdown(pair[1], SHUT_RDWR));
    MIGRATE_POINT();
    state = (struct pollfd){pair[0], POLLIN, 0};
    CHECK_EQ(poll(&state, 1, 0), 1);
    CHECK(state.revents & POLLHUP);
    test_done();
}
