// tcp_echo: a server and a client (a child) talk over a TCP connection on the loopback interface; the client
// checks every byte that comes back. Watch while either of them moves: the connection stays, since its ends
// live at home; only the delay of an answer grows. Usage: tcp_echo [--seconds N]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char* what) {
    fprintf(stderr, "tcp_echo: ");
    perror(what);
    return 1;
}

static int client(struct sockaddr_in* address, int seconds) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr*)address, sizeof *address) != 0) return fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    static unsigned char out[8192], in[8192];
    double start = now(), report = start, slowest = 0;
    long rounds = 0;
    for (; now() - start < seconds; rounds++) {
        size_t length = (size_t)(rounds * 37 % 8000 + 1);
        for (size_t i = 0; i < length; i++) out[i] = (unsigned char)(rounds + (long)i * 3);
        double sent = now();
        if (send(fd, out, length, MSG_NOSIGNAL) != (ssize_t)length) return fail("send");
        if (recv(fd, in, length, MSG_WAITALL) != (ssize_t)length) return fail("recv");
        if (now() - sent > slowest) slowest = now() - sent;
        if (memcmp(in, out, length) != 0) return fprintf(stderr, "tcp_echo: answer %ld differs\n", rounds), 1;
        if (rounds % 20 == 19) {
            struct timespec pause = {0, 2000000};
            nanosleep(&pause, NULL);
        }
        if (now() - report >= 0.5) {
            report = now();
            printf("tcp_echo %ld answers, the slowest took %.1f ms\n", rounds + 1, slowest * 1e3);
            slowest = 0;
        }
    }
    if (shutdown(fd, SHUT_WR) != 0 || recv(fd, in, 1, 0) != 0) return fail("the end of the connection");
    return 0;
}

int main(int argc, char** argv) {
    int seconds = argc > 2 && strcmp(argv[1], "--seconds") == 0 ? atoi(argv[2]) : 10;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr*)&address, length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr*)&address, &length) != 0)
        return fail("listen");
    pid_t child = fork();
    if (child < 0) return fail("fork");
    if (child == 0) {
        close(listener);
        exit(client(&address, seconds));
    }
    printf("tcp_echo server %d client %d\n", getpid(), child);
    int fd = accept(listener, NULL, NULL), status;
    if (fd < 0) return fail("accept");
    char buffer[8192];
    for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) != 0;) {
        if (got < 0) return fail("recv");
        for (ssize_t sent = 0, n; sent < got; sent += n)
            if ((n = send(fd, buffer + sent, (size_t)(got - sent), MSG_NOSIGNAL)) < 0) return fail("send");
    }
    close(fd);
    if (waitpid(child, &status, 0) != child || status != 0)
        return fprintf(stderr, "tcp_echo: the client ended with status 0x%x\n", status), 1;
    puts("tcp_echo: ok");
    return 0;
}
