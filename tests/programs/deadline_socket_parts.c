// With SO_SNDTIMEO and SO_RCVTIMEO that never pass, a large transfer that moves is whole; and a handler still ends a wait
// with EINTR, after which the next one has all of its time.
#include "pmi_test.h"
enum { SIZE = 4 << 20 };
static int ends[2];
static char *data, *back;
static void* reader(void* unused) {
    for (size_t done = 0, rounds = 0; done < SIZE; rounds++) {
        if (rounds % 20 == 10) MIGRATE_POINT();
        long got = CHECK_SYS(read(ends[0], back + done, SIZE - done < 60000 ? SIZE - done : 60000));
        CHECK(got > 0);
        done += (size_t)got;
    }
    return unused;
}
static void on_alarm(int signal) { (void)signal; }
int main(void) {
    data = malloc(SIZE);
    back = malloc(SIZE);
    CHECK(data && back);
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)(i * 7 >> 3);
    struct timeval ample = {20, 0}, limit = {1, 200000};
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    CHECK_SYS(setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &ample, sizeof ample));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, reader, NULL));
    CHECK_EQ(send(ends[1], data, SIZE, 0), SIZE);
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_ZERO(memcmp(data, back, SIZE));

    CHECK_SYS(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 200);
    struct itimerval timer = {.it_value = {0, 800000}};
    CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
    CHECK_ERRNO(recv(ends[0], back, 1, 0), EINTR);
    int64_t start = now_ns();
    CHECK_ERRNO(recv(ends[0], back, 1, 0), EAGAIN);
    CHECK_ELAPSED_SLACK(start, 1200, 12);
    later_point_join(&later);
    test_done();
}
