// pthread_mutex_timedlock, sem_timedwait and pthread_rwlock_timedwrlock end at their deadlines.
#include "pmi_test.h"
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static void* waiter(void* argument) {
    (void)argument;
    struct timespec deadline;
    for (int i = 0; i < 3; i++) {
        int64_t start = now_ns();
        deadline = to_timespec(clock_ns(CLOCK_REALTIME) + 800 * NSEC_PER_MSEC);
        if (i == 0) CHECK_EQ(pthread_mutex_timedlock(&mutex, &deadline), ETIMEDOUT);
        if (i == 1) CHECK_ERRNO(sem_timedwait(&semaphore, &deadline), ETIMEDOUT);
        if (i == 2) CHECK_EQ(pthread_rwlock_timedwrlock(&rwlock, &deadline), ETIMEDOUT);
        CHECK_ELAPSED_SLACK(start, 800, 2);
    }
    return NULL;
}
int main(void) {
    CHECK_SYS(sem_init(&semaphore, 0, 0));
    CHECK_ZERO(pthread_mutex_lock(&mutex));
    CHECK_ZERO(pthread_rwlock_rdlock(&rwlock));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, waiter, NULL));
    for (int i = 0; i < 3; i++) {
        sleep_ms(400);
        MIGRATE_POINT();
    }
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
