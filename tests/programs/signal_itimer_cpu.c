// ITIMER_VIRTUAL and ITIMER_PROF count the program's own CPU time, also what it used before a point. One that is stopped
// is stopped everywhere, and one that is set before a point ticks behind it.
#include "pmi_test.h"
static volatile sig_atomic_t virtual_ticks, prof_ticks;
static void on_tick(int sig) {
    if (sig == SIGVTALRM) virtual_ticks++;
    if (sig == SIGPROF) prof_ticks++;
}
static volatile uint64_t work;
static void burn(int64_t ns) {
    int64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;
    while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
        for (int i = 0; i < 100000; i++) work += (uint64_t)i;
}
static void set_both(const struct itimerval* value) {
    CHECK_SYS(setitimer(ITIMER_VIRTUAL, value, NULL));
    CHECK_SYS(setitimer(ITIMER_PROF, value, NULL));
}
int main(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGVTALRM, &action, NULL));
    CHECK_SYS(sigaction(SIGPROF, &action, NULL));
    struct itimerval every = {{0, 40000}, {0, 40000}};
    int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    set_both(&every);
    MIGRATE_POINT();
    sleep_ms(100);  // sleeping is not CPU time
    CHECK(prof_ticks <= 1);
    bool moved = false;
    while (virtual_ticks < 4 || prof_ticks < 4) {
        for (int i = 0; i < 100000; i++) work += (uint64_t)i;
        if (!moved && virtual_ticks == 2) {
            moved = true;
            MIGRATE_POINT();
        }
        CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start < 10 * NSEC_PER_SEC);
    }
    // Set between two points, and asked for after the second: what was left of it, then nothing.
    struct itimerval once = {{0, 0}, {0, 80000}}, off = {{0, 0}, {0, 0}}, left;
    CHECK_SYS(setitimer(ITIMER_VIRTUAL, &off, NULL));
    prof_ticks = 0;
    CHECK_SYS(setitimer(ITIMER_PROF, &once, NULL));
    MIGRATE_POINT();
    CHECK_SYS(getitimer(ITIMER_VIRTUAL, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
    CHECK_SYS(getitimer(ITIMER_PROF, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec > 0 && left.it_value.tv_usec < 90000);
    while (prof_ticks == 0) work++;
    MIGRATE_POINT();
    CHECK_SYS(getitimer(ITIMER_PROF, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
    struct itimerval now;
    for (int round = 0; round < 3; round++) {
        set_both(&off);
        MIGRATE_POINT();
        virtual_ticks = prof_ticks = 0;
        burn(150 * NSEC_PER_MSEC);
        CHECK(virtual_ticks == 0 && prof_ticks == 0);
        set_both(&every);
        MIGRATE_POINT();
        CHECK_SYS(getitimer(ITIMER_PROF, &now));
        CHECK(now.it_interval.tv_usec == 40000);
        burn(150 * NSEC_PER_MSEC);
        CHECK(virtual_ticks != 0 && prof_ticks != 0);
    }
    test_done();
}
