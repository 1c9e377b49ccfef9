// AF_UNIX datagrams that wait in the queue stay, with their boundaries and their senders' names.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "a"}, b = {.sun_family = AF_UNIX, .sun_path = "b"}, from;
    int fa = (int)CHECK_SYS(socket(AF_UNIX, SOCK_DGRAM, 0)), fb = (int)CHECK_SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
    CHECK_SYS(bind(fa, (struct sockaddr*)&a, sizeof a));
    CHECK_SYS(bind(fb, (struct sockaddr*)&b, sizeof b));
    for (int i = 0; i < 5; i++) {
        char text[64];
        memset(text, '0' + i, sizeof text);
        CHECK_EQ(sendto(fa, text, (size_t)(i * 10), 0, (struct sockaddr*)&b, sizeof b), i * 10);
    }
    MIGRATE_POINT();
    for (int i = 0; i < 5; i++) {
        char text[64];
        socklen_t length = sizeof from;
        CHECK_EQ(recvfrom(fb, text, sizeof text, 0, (struct sockaddr*)&from, &length), i * 10);
        CHECK_STR(from.sun_path, "a");
        for (int k = 0; k < i * 10; k++) CHECK_EQ(text[k], '0' + i);
        if (i == 2) MIGRATE_POINT();
    }
    CHECK_SYS(close(fb));
    MIGRATE_POINT();
    CHECK_ERRNO(sendto(fa, "x", 1, 0, (struct sockaddr*)&b, sizeof b), ECONNREFUSED);
    CHECK_SYS(unlink("b"));
    CHECK_ERRNO(sendto(fa, "x", 1, 0, (struct sockaddr*)&b, sizeof b), ENOENT);
    test_done();
}
