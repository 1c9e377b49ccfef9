// What the link gives without pmi: plain TCP, in clear, blocking.
//   link serve ADDRESS               prints its port; serves one connection after the other until it is killed
//   link ping ADDRESS PORT COUNT [BYTES]  p50, p99 and mean of COUNT round trips, in nanoseconds, with frames as large as those
//                                    of a forwarded getppid; with BYTES more in each answer
//   link fetch ADDRESS PORT BYTES    stays; for each line on its standard input it receives BYTES into the same 1 MiB, and prints
//                                    the milliseconds
//   link copy ADDRESS PORT BYTES     stays; for each line on its standard input it copies BYTES of its anonymous memory
//                                    into fresh anonymous memory of the server, and prints the milliseconds
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { CALL = 121, REPLY = 65 };  // bytes of a sealed getppid and its reply on the call channel

enum kind { PING, COPY, FETCH };
struct order {
    uint64_t kind, bytes;
};

static char block[1 << 20];

static struct sockaddr_in address_of(const char* host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
    return address;
}

static int no_delay(int fd) {
    int on = 1;
    MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return fd;
}

// 0 when the peer closed before the first byte.
static int get(int fd, void* to, size_t size) {
    for (size_t have = 0; have < size;) {
        size_t piece = size - have < 1 << 20 ? size - have : 1 << 20;
        ssize_t n = MUST(recv(fd, (char*)to + have, piece, 0));
        if (n == 0 && have == 0) return 0;
        if (n == 0) errno = ECONNRESET, die("recv");
        have += (size_t)n;
    }
    return 1;
}
static void put(int fd, const void* from, size_t size) {
    for (size_t done = 0; done < size;) done += (size_t)MUST(send(fd, (const char*)from + done, size - done, MSG_NOSIGNAL));
}

static void* anonymous(size_t size) {
    void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    return memory;
}

static void serve_one(int fd) {
    struct order order;
    char frame[CALL];
    while (get(fd, &order, sizeof order)) {
        if (order.kind == PING) {
            while (get(fd, frame, CALL)) put(fd, block, REPLY + order.bytes);
            return;
        }
        if (order.kind == FETCH) {
            for (uint64_t sent = 0; sent < order.bytes; sent += sizeof block) put(fd, block, sizeof block);
            continue;
        }
        void* fresh = anonymous(order.bytes);
        if (!get(fd, fresh, order.bytes)) return;
        put(fd, frame, 1);
        munmap(fresh, order.bytes);
    }
}

__attribute__((noreturn)) static void serve(const char* host) {
    struct sockaddr_in address = address_of(host, 0);
    socklen_t size = sizeof address;
    int listener = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(listener, (struct sockaddr*)&address, sizeof address));
    MUST(listen(listener, 4));
    MUST(getsockname(listener, (struct sockaddr*)&address, &size));
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = no_delay((int)MUST(accept(listener, NULL, NULL)));
        serve_one(fd);
        close(fd);
    }
}

static int dial(const char* host, const char* port) {
    struct sockaddr_in address = address_of(host, atoi(port));
    int fd = no_delay((int)MUST(socket(AF_INET, SOCK_STREAM, 0)));
    MUST(connect(fd, (struct sockaddr*)&address, sizeof address));
    return fd;
}

static int ping(int fd, size_t count, size_t more) {
    struct order order = {PING, more};
    char frame[CALL] = {0};
    int64_t* took = new_samples(count);
    put(fd, &order, sizeof order);
    int64_t began = now_ns();
    for (size_t i = 0; i < count; i++) {
        int64_t before = now_ns();
        put(fd, frame, CALL);
        if (!get(fd, block, REPLY + more)) die("the server ended");
        took[i] = now_ns() - before;
    }
    double mean = (double)(now_ns() - began) / (double)count;
    printf("%lld %lld %.0f\n", (long long)quantile(took, count, 0.5), (long long)quantile(took, count, 0.99), mean);
    return 0;
}

static int fetch(int fd, size_t size) {
    struct order order = {FETCH, size};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (char line[10]; fgets(line, sizeof line, stdin) != NULL;) {
        int64_t began = now_ns();
        put(fd, &order, sizeof order);
        for (size_t have = 0; have < size; have += sizeof block)
            if (!get(fd, block, sizeof block)) die("the server ended");
        printf("%.3f\n", (double)(now_ns() - began) / 1e6);
    }
    return 0;
}

static int copy(int fd, size_t size) {
    struct order order = {COPY, size};
    uint64_t *memory = anonymous(size), state = 1;
    for (size_t i = 0; i < size / 8; i++) memory[i] = state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (char line[10]; fgets(line, sizeof line, stdin) != NULL;) {
        int64_t began = now_ns();
        put(fd, &order, sizeof order);
        put(fd, memory, size);
        if (!get(fd, line, 1)) die("the server ended");
        printf("%.3f\n", (double)(now_ns() - began) / 1e6);
    }
    return 0;
}

int main(int argc, char** argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(argv[2]);
    if (argc >= 5 && strcmp(argv[1], "ping") == 0)
        return ping(dial(argv[2], argv[3]), (size_t)atol(argv[4]), argc > 5 ? (size_t)atol(argv[5]) : 0);
    if (argc == 5 && strcmp(argv[1], "fetch") == 0) return fetch(dial(argv[2], argv[3]), (size_t)atol(argv[4]));
    if (argc == 5 && strcmp(argv[1], "copy") == 0) return copy(dial(argv[2], argv[3]), (size_t)atol(argv[4]));
    fprintf(stderr, "usage: link serve ADDRESS | ping ADDRESS PORT COUNT [BYTES] | fetch ADDRESS PORT BYTES | copy ADDRESS PORT BYTES\n");
    return 2;
}
