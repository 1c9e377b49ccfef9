// MSG_PEEK, MSG_WAITALL, MSG_OOB and SO_PEEK_OFF-free repeated looks leave the data in place.
#include "pmi_test.h"
int main(void) {
    int listener = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(listen(listener, 1));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    int a = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(connect(a, (struct sockaddr*)&address, sizeof address));
    int b = (int)CHECK_SYS(accept(listener, NULL, NULL));
    write_all(a, "peekaboo", 8);
    char text[16];
    CHECK_EQ(recv(b, text, 4, MSG_PEEK | MSG_WAITALL), 4);
    MIGRATE_POINT();
    CHECK_EQ(recv(b, text, 8, MSG_PEEK | MSG_WAITALL), 8);
    CHECK(memcmp(text, "peekaboo", 8) == 0);
    CHECK_EQ(recv(b, text, 8, MSG_WAITALL), 8);
    CHECK_ERRNO(recv(b, text, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(a, "!", 1, MSG_OOB), 1);
    struct pollfd urgent = {b, POLLPRI, 0};
    CHECK_EQ(poll(&urgent, 1, 2000), 1);
    MIGRATE_POINT();
    CHECK_EQ(recv(b, text, 1, MSG_OOB), 1);
    CHECK_EQ(text[0], '!');
    test_done();
}
