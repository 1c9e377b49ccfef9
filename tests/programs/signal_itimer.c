// setitimer's interval goes on over points: at least the due number of ticks, never faster than real time.
#include "pmi_test.h"
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    ticks++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 50000}, {0, 50000}}, now;
    int64_t start = now_ns();
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    MIGRATE_POINT();
    CHECK_SYS(getitimer(ITIMER_REAL, &now));
    CHECK_EQ(now.it_interval.tv_usec, 50000);
    CHECK(now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 50000);
    WAIT_FOR(ticks >= 4);
    MIGRATE_POINT();
    WAIT_FOR(ticks >= 10);
    int seen = ticks;
    CHECK(now_ns() - start >= (int64_t)seen * 50 * NSEC_PER_MSEC);
    CHECK(now_ns() - start <= 3500 * NSEC_PER_MSEC);
    every = (struct itimerval){{0, 0}, {0, 0}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, &now));
    CHECK_EQ(now.it_interval.tv_usec, 50000);
    seen = ticks;
    MIGRATE_POINT();
    sleep_ms(120);
    CHECK(ticks <= seen + 1);
    test_done();
}
