// pthread_cond_timedwait with both clocks ends at its deadline.
#include "pmi_test.h"
int main(void) {
    for (int i = 0; i < 2; i++) {
        clockid_t clock = i ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        pthread_condattr_t attr;
        pthread_cond_t cond;
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        CHECK_ZERO(pthread_condattr_init(&attr));
        CHECK_ZERO(pthread_condattr_setclock(&attr, clock));
        CHECK_ZERO(pthread_cond_init(&cond, &attr));
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 300);
        CHECK_ZERO(pthread_mutex_lock(&mutex));
        int64_t start = now_ns();
        struct timespec deadline = to_timespec(clock_ns(clock) + 1500 * NSEC_PER_MSEC);
        int result;
        do result = pthread_cond_timedwait(&cond, &mutex, &deadline);
        while (result == 0);  // POSIX allows waking for no reason
        CHECK_EQ(result, ETIMEDOUT);
        CHECK_ELAPSED_SLACK(start, 1500, 2);
        CHECK_ZERO(pthread_mutex_unlock(&mutex));
        later_point_join(&later);
    }
    test_done();
}
