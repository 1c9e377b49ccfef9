// Every call that waits for as long as its socket's SO_RCVTIMEO or SO_SNDTIMEO says ends at its time, moved twice meanwhile.
// The sockets count in ticks: a tick early is allowed. The option itself never changes, as another user of the socket sees.
#include "pmi_test.h"
enum { WAIT_MS = 1600 };
static const struct timeval limit = {1, 600000};
static int limited(int option) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_SYS(setsockopt(pair[0], SOL_SOCKET, option, &limit, sizeof limit));
    return pair[0];
}
static int listener(struct sockaddr_in* address) {
    int fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof *address;
    CHECK_SYS(bind(fd, (struct sockaddr*)address, size));
    CHECK_SYS(listen(fd, 0));
    CHECK_SYS(getsockname(fd, (struct sockaddr*)address, &size));
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    return fd;
}
// To a queue that is full: the kernel goes on connecting by itself.
static void connect_in_vain(void) {
    struct sockaddr_in address;
    int fd = 0;
    listener(&address);
    for (int i = 0; i < 8; i++) {
        fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) CHECK_EQ(errno, EINPROGRESS);
    }
    fd = (int)CHECK_SYS(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, sizeof address), EINPROGRESS);
}
static void connect_unix_in_vain(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "pmi-test-%d", getpid());
    int server = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(bind(server, (struct sockaddr*)&address, sizeof address));
    CHECK_SYS(listen(server, 0));
    int fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(connect(fd, (struct sockaddr*)&address, sizeof address));
    fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_SYS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, sizeof address), EAGAIN);
}
static void* wait_in(void* argument) {
    static char data[16][1 << 20];
    int way = (int)(intptr_t)argument;
    char* buffer = data[way];
    struct iovec part = {buffer, 1}, much = {buffer, 1 << 20};
    struct msghdr one = {.msg_iov = &part, .msg_iovlen = 1}, big = {.msg_iov = &much, .msg_iovlen = 1};
    struct mmsghdr several[2] = {{.msg_hdr = one}, {.msg_hdr = one}};
    struct sockaddr_in address;
    int in = limited(SO_RCVTIMEO), out = limited(SO_SNDTIMEO);
    int64_t start = now_ns();
    if (way == 0) CHECK_ERRNO(recv(in, buffer, 1, 0), EAGAIN);
    if (way == 1) CHECK_ERRNO(read(in, buffer, 1), EAGAIN);
    if (way == 2) CHECK_ERRNO(readv(in, &part, 1), EAGAIN);
    if (way == 3) CHECK_ERRNO(recvmsg(in, &one, 0), EAGAIN);
    if (way == 4) CHECK_ERRNO(recvmmsg(in, several, 2, 0, NULL), EAGAIN);
    if (way == 5) CHECK_ERRNO(accept4(listener(&address), NULL, NULL, SOCK_CLOEXEC), EAGAIN);
    if (way == 6) connect_in_vain();
    if (way == 7) connect_unix_in_vain();
    long sent = 1;
    if (way == 8) sent = write(out, buffer, 1 << 20);
    if (way == 9) sent = writev(out, &much, 1);
    if (way == 10) sent = sendmsg(out, &big, 0);
    CHECK(sent > 0 && sent < 1 << 20);
    if (way == 11) {
        while (send(out, buffer, 1 << 20, MSG_DONTWAIT) > 0) {
        }
        CHECK_ERRNO(send(out, buffer, 100, 0), EAGAIN);
    }
    CHECK_ELAPSED_SLACK(start, WAIT_MS, 12);
    struct timeval seen;
    socklen_t size = sizeof seen;
    CHECK_SYS(getsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &seen, &size));
    CHECK(seen.tv_sec == limit.tv_sec && seen.tv_usec == limit.tv_usec);
    return NULL;
}
int main(void) {
    enum { WAYS = 12 };
    pthread_t threads[WAYS];
    for (int i = 0; i < WAYS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, wait_in, (void*)(intptr_t)i));
    for (int i = 0; i < 3; i++) {
        sleep_ms(250);
        MIGRATE_POINT();
    }
    for (int i = 0; i < WAYS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
