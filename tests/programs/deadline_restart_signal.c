// An interrupted sleep that its program goes on with by the remaining time ends at the first deadline.
#include "pmi_test.h"
static volatile sig_atomic_t taken;
static void on_signal(int sig) {
    (void)sig;
    taken++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 100000}, {0, 100000}};
    int64_t start = now_ns();
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    struct timespec left = {1, 500 * NSEC_PER_MSEC};
    int interrupted = 0;
    for (;;) {
        struct timespec length = left;
        if (nanosleep(&length, &left) == 0) break;
        CHECK_EQ(errno, EINTR);
        CHECK(left.tv_sec < 2 && left.tv_nsec >= 0);
        if (++interrupted % 5 == 2) MIGRATE_POINT();
    }
    CHECK(interrupted >= 3);
    CHECK(taken >= interrupted);
    CHECK(now_ns() - start >= 1490 * NSEC_PER_MSEC);
    test_done();
}
