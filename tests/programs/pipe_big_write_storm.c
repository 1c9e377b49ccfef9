// A large blocking write is whole although threads end all the time while the program is being stopped, so that it is let go
// and stopped again; and so does a wait with SO_RCVTIMEO end at its time.
#include "pmi_test.h"
enum { SIZE = 8 << 20, STORMS = 3 };
static int ends[2], pair[2];
static atomic_bool done;
static char* back;
static void* nothing(void* argument) { return argument; }
static void* storm(void* unused) {
    pthread_t thread;
    while (!done) {
        CHECK_ZERO(pthread_create(&thread, NULL, nothing, NULL));
        CHECK_ZERO(pthread_join(thread, NULL));
        usleep(100);  // without it nobody else gets a CPU, for seconds (seen on Linux 6.18 with two of them)
    }
    return unused;
}
static void* reader(void* unused) {
    for (size_t got = 0, rounds = 0; got < SIZE; rounds++) {
        if (rounds % 40 == 20) MIGRATE_POINT();
        got += (size_t)CHECK_SYS(read(ends[0], back + got, 65536));
    }
    return unused;
}
static void* receiver(void* unused) {
    struct timeval limit = {2, 0};
    char byte;
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_SYS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    while (!done) {
        int64_t start = now_ns();
        CHECK_ERRNO(recv(pair[0], &byte, 1, 0), EAGAIN);
        CHECK_ELAPSED_SLACK(start, 2000, 12);
    }
    return unused;
}
int main(void) {
    pthread_t threads[STORMS + 2];
    char* data = malloc(SIZE);
    back = malloc(SIZE + 65536);
    CHECK(data && back);
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)(i * 31 >> 7);
    CHECK_SYS(pipe(ends));
    for (int i = 0; i < STORMS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, storm, NULL));
    CHECK_ZERO(pthread_create(&threads[STORMS], NULL, receiver, NULL));
    CHECK_ZERO(pthread_create(&threads[STORMS + 1], NULL, reader, NULL));
    CHECK_EQ(write(ends[1], data, SIZE), SIZE);
    done = true;
    for (int i = 0; i < STORMS + 2; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_ZERO(memcmp(data, back, SIZE));
    test_done();
}
