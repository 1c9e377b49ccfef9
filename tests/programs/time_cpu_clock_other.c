// CPU clocks of other threads and of a child, by clock_getcpuclockid and pthread_getcpuclockid.
#include "pmi_test.h"
static atomic_int stop;
static void* worker(void* argument) {
    volatile uint64_t work = 0;
    while (!stop) work++;
    return argument;
}
int main(void) {
    pthread_t thread;
    clockid_t clock, process;
    CHECK_ZERO(pthread_create(&thread, NULL, worker, NULL));
    CHECK_ZERO(pthread_getcpuclockid(thread, &clock));
    CHECK_ZERO(clock_getcpuclockid(getpid(), &process));
    int64_t last = 0, last_process = 0;
    for (int i = 1; i <= 3; i++) {
        WAIT_FOR(clock_ns(clock) >= last + 30 * NSEC_PER_MSEC);
        last = clock_ns(clock);
        int64_t now = clock_ns(process);
        CHECK(now >= last_process);
        CHECK(now >= last - 20 * NSEC_PER_MSEC);
        last_process = now;
        MIGRATE_POINT();
        CHECK(clock_ns(clock) >= last);
    }
    stop = 1;
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
