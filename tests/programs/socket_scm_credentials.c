// SO_PASSCRED: a message carries the real PID, UID and GID of its sender.
#include "pmi_test.h"
static void receive_from(int fd, pid_t expected) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(fd, &message, 0), 1);
    struct cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    CHECK(cmsg != NULL);
    CHECK_EQ(cmsg->cmsg_type, SCM_CREDENTIALS);
    struct ucred who;
    memcpy(&who, CMSG_DATA(cmsg), sizeof who);
    CHECK_EQ(who.pid, expected);
    CHECK_EQ(who.uid, getuid());
    CHECK_EQ(who.gid, getgid());
}
int main(void) {
    int pair[2], one = 1;
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_SYS(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    MIGRATE_POINT();
    write_all(pair[0], "a", 1);
    MIGRATE_POINT();
    receive_from(pair[1], getpid());
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        struct ucred own = {getpid(), getuid(), getgid()};
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof own)];
        } control = {0};
        struct iovec vector = {(char*)"b", 1};
        struct msghdr message = {
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
        struct cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
        *cmsg = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof own)};
        memcpy(CMSG_DATA(cmsg), &own, sizeof own);
        CHECK_EQ(sendmsg(pair[0], &message, 0), 1);
        _exit(0);
    }
    receive_from(pair[1], child);
    CHECK_EXITED(child, 0);
    test_done();
}
