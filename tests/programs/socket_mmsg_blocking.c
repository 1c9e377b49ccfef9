// recvmmsg and recvmsg with MSG_WAITALL that wait for all of their messages and bytes get them all, and the socket has no
// error afterwards, whatever moved in the middle.
#include "pmi_test.h"
enum { MESSAGES = 6, PART = 1000 };
static int ends[2];
static void* sender(void* unused) {
    char text[PART];
    for (int i = 0; i < MESSAGES; i++) {
        memset(text, 'a' + i, sizeof text);
        CHECK_EQ(send(ends[1], text, sizeof text, 0), PART);
        sleep_ms(60);
        if (i % 2 == 1) MIGRATE_POINT();
    }
    return unused;
}
static void check(const char* data) {
    for (int i = 0; i < MESSAGES * PART; i++) CHECK_EQ(data[i], 'a' + i / PART);
}
int main(void) {
    static char data[MESSAGES * PART];
    struct iovec parts[MESSAGES];
    struct mmsghdr messages[MESSAGES] = {0};
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        CHECK_SYS(socketpair(AF_UNIX, round == 2 ? SOCK_STREAM : SOCK_DGRAM, 0, ends));
        for (int i = 0; i < MESSAGES; i++) {
            parts[i] = (struct iovec){data + i * PART, PART};
            messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
        }
        memset(data, 0, sizeof data);
        CHECK_ZERO(pthread_create(&thread, NULL, sender, NULL));
        if (round < 2) {
            CHECK_EQ(recvmmsg(ends[0], messages, MESSAGES, 0, NULL), MESSAGES);
            for (int i = 0; i < MESSAGES; i++) CHECK_EQ(messages[i].msg_len, PART);
        } else {
            struct msghdr all = {.msg_iov = parts, .msg_iovlen = MESSAGES};
            CHECK_EQ(recvmsg(ends[0], &all, MSG_WAITALL), MESSAGES * PART);
        }
        check(data);
        CHECK_ZERO(pthread_join(thread, NULL));
        int error = -1;
        socklen_t size = sizeof error;
        CHECK_SYS(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &size));
        CHECK_EQ(error, 0);
        CHECK_SYS(close(ends[0]));
        CHECK_SYS(close(ends[1]));
    }
    test_done();
}
