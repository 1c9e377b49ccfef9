// A thread blocked in accept and another blocked in recv go on over points; nobody sees EINTR.
#include "pmi_test.h"
static int listener;
static void* acceptor(void* argument) {
    (void)argument;
    for (int i = 0; i < 5; i++) {
        int fd = (int)CHECK_SYS(accept(listener, NULL, NULL));
        char byte;
        CHECK_EQ(recv(fd, &byte, 1, 0), 1);
        CHECK_EQ(byte, 'a' + i);
        CHECK_EQ(send(fd, &byte, 1, 0), 1);
        CHECK_SYS(close(fd));
    }
    return NULL;
}
int main(void) {
    listener = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK_SYS(bind(listener, (struct sockaddr*)&address, length));
    CHECK_SYS(listen(listener, 1));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&address, &length));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, acceptor, NULL));
    for (int i = 0; i < 5; i++) {
        sleep_ms(10);
        MIGRATE_POINT();  // the other thread is in accept
        int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
        CHECK_SYS(connect(fd, (struct sockaddr*)&address, sizeof address));
        sleep_ms(10);
        MIGRATE_POINT();  // the other thread is in recv
        char byte = (char)('a' + i), back;
        CHECK_EQ(send(fd, &byte, 1, 0), 1);
        CHECK_EQ(recv(fd, &back, 1, 0), 1);
        CHECK_EQ(back, byte);
        CHECK_EQ(recv(fd, &back, 1, 0), 0);
        CHECK_SYS(close(fd));
    }
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
