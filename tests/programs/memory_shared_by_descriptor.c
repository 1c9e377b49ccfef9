// A file without a name that the program stores in through a mapping: others are given its descriptor, an image that it starts,
// and a process that it sends it to; they map it, and change what the program has stored.
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "pmi_test.h"

extern char** environ;
enum { WORDS = 1000, ROUNDS = 3 };

static int* map_words(int fd) {
    int* words = mmap(NULL, WORDS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(words != MAP_FAILED);
    return words;
}

static void change(int fd) {
    int* words = map_words(fd);
    for (int i = 0; i < WORDS; i++) words[i] *= 2;
    CHECK_SYS(munmap(words, WORDS * sizeof(int)));
}

static union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr head;
} control;
static char byte;
static struct iovec data = {&byte, 1};
static struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

static void change_what_comes(int from) {
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_EQ(recvmsg(from, &message, 0), 1);
        int fd = *(int*)CMSG_DATA(&control.head);
        change(fd);
        CHECK_SYS(close(fd));
        write_all(from, &byte, 1);
    }
    _exit(0);
}

static void send_descriptor(int to, int fd) {
    control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    *(int*)CMSG_DATA(&control.head) = fd;
    CHECK_EQ(sendmsg(to, &message, 0), 1);
    read_all(to, &byte, 1);
}

int main(int argc, char** argv) {
    if (argc == 2) {  // the other image
        change(atoi(argv[1]));
        return 0;
    }
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    pid_t receiver = (pid_t)CHECK_SYS(fork());
    if (receiver == 0) change_what_comes(pair[1]);
    char name[] = "/tmp/pmi-test-XXXXXX";
    int fd = CHECK_SYS(mkstemp(name));
    CHECK_SYS(unlink(name));
    CHECK_SYS(ftruncate(fd, WORDS * sizeof(int)));
    int* words = map_words(fd);
    for (int round = 0; round < ROUNDS; round++) {
        MIGRATE_POINT();
        for (int i = 0; i < WORDS; i++) words[i] = i + round;
        char number[12];
        snprintf(number, sizeof number, "%d", fd);
        char* arguments[] = {argv[0], number, NULL};
        pid_t child;
        CHECK_EQ(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
        CHECK_EXITED(child, 0);
        for (int i = 0; i < WORDS; i++) CHECK_EQ(words[i], 2 * (i + round));
        MIGRATE_POINT();
        for (int i = 0; i < WORDS; i++) words[i] -= i;
        send_descriptor(pair[0], fd);
        for (int i = 0; i < WORDS; i++) CHECK_EQ(words[i], 2 * (i + 2 * round));
    }
    CHECK_EXITED(receiver, 0);
    MIGRATE_POINT();
    test_done();
}
