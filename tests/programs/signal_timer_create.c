// POSIX timers: by signal with its value and overruns, to one thread by SIGEV_THREAD_ID, without
// notification.
#include "pmi_test.h"
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
static volatile sig_atomic_t count;
static volatile pid_t taker;
static volatile siginfo_t last;
static void on_timer(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    last = *info;
    taker = (pid_t)syscall(SYS_gettid);
    count++;
}
static void* other_main(void* argument) {
    atomic_int* state = argument;
    *state = (int)syscall(SYS_gettid);
    WAIT_FOR(*state == 0);
    return NULL;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGRTMIN + 4, &action, NULL));
    timer_t timer, quiet;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4, .sigev_value.sival_int = 4321};
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec spec = {{0, 20 * NSEC_PER_MSEC}, {0, 20 * NSEC_PER_MSEC}};
    CHECK_SYS(timer_settime(timer, 0, &spec, NULL));
    MIGRATE_POINT();
    WAIT_FOR(count >= 5);
    CHECK_EQ(last.si_code, SI_TIMER);
    CHECK_EQ(last.si_value.sival_int, 4321);
    CHECK(timer_getoverrun(timer) >= 0);
    CHECK_SYS(timer_gettime(timer, &spec));
    CHECK_EQ(spec.it_interval.tv_nsec, 20 * NSEC_PER_MSEC);
    CHECK_SYS(timer_delete(timer));
    atomic_int state = -1;
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, other_main, &state));
    WAIT_FOR(state > 0);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_notify_thread_id = state;
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    spec = (struct itimerspec){{0, 0}, {0, 50 * NSEC_PER_MSEC}};
    count = 0;
    CHECK_SYS(timer_settime(timer, 0, &spec, NULL));
    MIGRATE_POINT();
    WAIT_FOR(count == 1);
    CHECK_EQ(taker, state);
    state = 0;
    CHECK_ZERO(pthread_join(thread, NULL));
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    CHECK_SYS(timer_create(CLOCK_REALTIME, &event, &quiet));
    spec = (struct itimerspec){{0, 0}, {100, 0}};
    CHECK_SYS(timer_settime(quiet, 0, &spec, NULL));
    MIGRATE_POINT();
    CHECK_SYS(timer_gettime(quiet, &spec));
    CHECK(spec.it_value.tv_sec >= 95 && spec.it_value.tv_sec <= 100);
    test_done();
}
