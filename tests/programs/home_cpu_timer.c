// POSIX timers on the CPU time of the process and of a thread count all of it. (May keep the program at
// home.)
#include "pmi_test.h"
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    ticks++;
}
static volatile uint64_t work;
static void check_ticks(clockid_t clock) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
    struct itimerspec every = {{0, 30 * NSEC_PER_MSEC}, {0, 30 * NSEC_PER_MSEC}};
    MIGRATE_POINT();
    CHECK_SYS(timer_create(clock, &event, &timer));
    CHECK_SYS(timer_settime(timer, 0, &every, NULL));
    ticks = 0;
    int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    bool moved = false;
    while (ticks < 4) {
        for (int i = 0; i < 100000; i++) work += (uint64_t)i;
        if (!moved && ticks == 2) {
            moved = true;
            MIGRATE_POINT();
        }
        CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start < 5 * NSEC_PER_SEC);
    }
    CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 100 * NSEC_PER_MSEC);
    CHECK_SYS(timer_delete(timer));
}
int main(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGRTMIN + 4, &action, NULL));
    check_ticks(CLOCK_PROCESS_CPUTIME_ID);
    check_ticks(CLOCK_THREAD_CPUTIME_ID);
    MIGRATE_POINT();
    test_done();
}
