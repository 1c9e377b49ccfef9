// Unnamed semaphores: counts kept, waiters woken one for one, sem_trywait, no EINTR.
#include "pmi_test.h"
static sem_t items;
static atomic_int taken;
static void* taker(void* argument) {
    for (int i = 0; i < 50; i++) {
        CHECK_SYS(sem_wait(&items));
        taken++;
    }
    return argument;
}
int main(void) {
    CHECK_SYS(sem_init(&items, 0, 3));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, taker, NULL));
    WAIT_FOR(taken == 3);
    MIGRATE_POINT();
    sleep_ms(20);
    CHECK_EQ(taken, 3);
    for (int i = 3; i < 200; i++) {
        CHECK_SYS(sem_post(&items));
        if (i % 60 == 30) MIGRATE_POINT();
        if (i % 10 == 0) WAIT_FOR(taken == i + 1);
    }
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(taken, 200);
    CHECK_ERRNO(sem_trywait(&items), EAGAIN);
    test_done();
}
