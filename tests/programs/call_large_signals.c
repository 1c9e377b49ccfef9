// Large writes and reads under a storm of signals that don't restart calls: each ends with EINTR, is short, or is whole;
// nothing else, and no byte is lost.
#include "pmi_test.h"
enum { kBlock = 1 << 20, kBlocks = 40 };
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    ticks++;
}
static char block[kBlock], got[kBlock];
static void* drain(void* fd) {
    sigset_t all;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    size_t total = 0;
    while (total < (size_t)kBlock * kBlocks) {
        ssize_t n = CHECK_SYS(read(*(int*)fd, got, sizeof got));
        CHECK(n > 0);
        for (ssize_t i = 0; i < n; i += 997) CHECK(got[i] == (char)((total + (size_t)i) % 251));
        total += (size_t)n;
    }
    return NULL;
}
int main(void) {
    int fds[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    pthread_t reader;
    CHECK(pthread_create(&reader, NULL, drain, &fds[1]) == 0);
    struct sigaction action = {.sa_handler = on_tick};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    MIGRATE_POINT();
    struct itimerval every = {{0, 3000}, {0, 3000}}, none = {{0, 0}, {0, 0}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    size_t total = 0;
    for (int n = 0; total < (size_t)kBlock * kBlocks; n++) {
        size_t size = (size_t)kBlock * kBlocks - total;
        if (size > sizeof block) size = sizeof block;
        for (size_t i = 0; i < size; i++) block[i] = (char)((total + i) % 251);
        ssize_t sent = write(fds[0], block, size);
        CHECK(sent > 0 || (sent < 0 && errno == EINTR));
        if (sent > 0) total += (size_t)sent;
        if (n % 50 == 25) MIGRATE_POINT();
    }
    CHECK_SYS(setitimer(ITIMER_REAL, &none, NULL));
    CHECK(pthread_join(reader, NULL) == 0);
    CHECK(ticks > 0);
    test_done();
}
