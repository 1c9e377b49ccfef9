// RLIMIT_CPU: SIGXCPU after a second of work, also when part of it was done before a point.
#include "pmi_test.h"
static volatile sig_atomic_t over;
static void on_xcpu(int sig) {
    (void)sig;
    over = 1;
}
static volatile uint64_t work;
int main(void) {
    struct sigaction action = {.sa_handler = on_xcpu};
    CHECK_SYS(sigaction(SIGXCPU, &action, NULL));
    struct rlimit limit = {1, 20};
    CHECK_SYS(setrlimit(RLIMIT_CPU, &limit));
    int point = 0;
    while (!over) {
        for (int i = 0; i < 10000; i++) work += (uint64_t)i;
        int64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        if (used > (point + 1) * 300 * NSEC_PER_MSEC && point < 2) {
            point++;
            MIGRATE_POINT();
        }
        CHECK(used < 4 * NSEC_PER_SEC);
    }
    CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= 400 * NSEC_PER_MSEC);  // the limit counts whole ticks
    test_done();
}
