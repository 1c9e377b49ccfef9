// alarm, setitimer and timer_settime armed before a point fire at their time after it.
#include "pmi_test.h"
static volatile sig_atomic_t fired;
static void on_alarm(int sig) {
    (void)sig;
    fired++;
}
int main(void) {
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &block, NULL));
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    int64_t start = now_ns();
    CHECK_EQ(alarm(1), 0);
    MIGRATE_POINT();
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(fired, 1);
    CHECK_ELAPSED(start, 1000);
    start = now_ns();
    struct itimerval once = {{0, 0}, {0, 700000}}, left;
    CHECK_SYS(setitimer(ITIMER_REAL, &once, NULL));
    MIGRATE_POINT();
    CHECK_SYS(getitimer(ITIMER_REAL, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec <= 700000);
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(fired, 2);
    CHECK_ELAPSED(start, 700);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    start = now_ns();
    struct itimerspec spec = {{0, 0}, to_timespec(start + 600 * NSEC_PER_MSEC)};
    CHECK_SYS(timer_settime(timer, TIMER_ABSTIME, &spec, NULL));
    MIGRATE_POINT();
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(fired, 3);
    CHECK_ELAPSED(start, 600);
    test_done();
}
