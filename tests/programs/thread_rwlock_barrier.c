// A rwlock keeps readers and writers apart; a barrier lets one thread of each round be the serial one.
#include "pmi_test.h"
enum { THREADS = 5, ROUNDS = 200 };
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static int a, b;
static atomic_int serial;
static void* thread_main(void* argument) {
    int index = (int)(intptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        if (index == round % THREADS) {
            CHECK_ZERO(pthread_rwlock_wrlock(&lock));
            a++;
            if (round % 80 == 40) MIGRATE_POINT();
            b++;
            CHECK_ZERO(pthread_rwlock_unlock(&lock));
        } else {
            CHECK_ZERO(pthread_rwlock_rdlock(&lock));
            CHECK_EQ(a, b);
            CHECK_ZERO(pthread_rwlock_unlock(&lock));
        }
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
        CHECK_EQ(a, round + 1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}
int main(void) {
    CHECK_ZERO(pthread_barrier_init(&barrier, NULL, THREADS));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)(intptr_t)i));
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(serial, ROUNDS);
    test_done();
}
