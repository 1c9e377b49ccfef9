// A descriptor sent through a socket and still in flight over a point arrives as the same open file.
#include "pmi_test.h"
static void send_fds(int socket, int* fds, int count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec vector = {(char*)"F", 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, (size_t)count * sizeof(int));
    CHECK_EQ(sendmsg(socket, &message, 0), 1);
}
static void receive_fds(int socket, int* fds, int count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
    struct cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    CHECK(cmsg != NULL);
    CHECK_EQ(cmsg->cmsg_type, SCM_RIGHTS);
    CHECK_EQ(cmsg->cmsg_len, CMSG_LEN((size_t)count * sizeof(int)));
    memcpy(fds, CMSG_DATA(cmsg), (size_t)count * sizeof(int));
}
int main(void) {
    enter_scratch();
    int pair[2], p[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    CHECK_SYS(pipe(p));
    int file = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    write_all(file, "0123456789", 10);
    CHECK_EQ(lseek(file, 3, SEEK_SET), 3);
    int sent[2] = {file, p[0]}, received[2];
    send_fds(pair[0], sent, 2);
    CHECK_SYS(close(file));
    CHECK_SYS(close(p[0]));
    write_all(p[1], "piped", 5);
    MIGRATE_POINT();
    receive_fds(pair[1], received, 2);
    CHECK_EQ(fcntl(received[0], F_GETFD), FD_CLOEXEC);
    MIGRATE_POINT();
    char text[8] = {0};
    CHECK_EQ(read(received[0], text, 3), 3);
    CHECK_STR(text, "345");
    CHECK_EQ(read(received[1], text, 8), 5);
    CHECK(memcmp(text, "piped", 5) == 0);
    test_done();
}
