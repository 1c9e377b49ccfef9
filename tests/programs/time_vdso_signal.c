// A signal that comes in the middle of the vDSO, and a program that moves before the handler returns: what was
// interrupted goes on where the program is then. Clocks read meanwhile never go back.
#include "pmi_test.h"

static atomic_int signals, moves;

static void handler(int signal) {
    (void)signal;
    int saved = errno;
    // Many signals, so that some of them come in the vDSO; one move for so many.
    if (atomic_fetch_add(&signals, 1) % 25 == 24 && atomic_fetch_add(&moves, 1) < 8) MIGRATE_POINT();
    errno = saved;
}

int main(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 2000}, {0, 2000}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    int64_t last[2] = {0, 0};
    static const clockid_t clocks[2] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    while (atomic_load(&moves) < 8)
        for (int i = 0; i < 1000; i++)
            for (int c = 0; c < 2; c++) {
                int64_t now = clock_ns(clocks[c]);
                if (now < last[c]) FAIL("clock %d went back by %lld ns", clocks[c], (long long)(last[c] - now));
                last[c] = now;
            }
    test_done();
}
