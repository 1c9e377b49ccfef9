// 64 threads at once, each with its own TLS, stack and TID.
#include "pmi_test.h"
enum { THREADS = 64 };
static __thread int own;
static pthread_barrier_t barrier;
static pid_t tids[THREADS];
static void* thread_main(void* argument) {
    int index = (int)(intptr_t)argument;
    char local[1000];
    memset(local, index, sizeof local);
    own = index;
    tids[index] = gettid();
    pthread_barrier_wait(&barrier);
    if (index == 10 || index == 50) MIGRATE_POINT();
    pthread_barrier_wait(&barrier);
    CHECK_EQ(own, index);
    CHECK_EQ(gettid(), tids[index]);
    for (int i = 0; i < 1000; i++) CHECK_EQ(local[i], index);
    return NULL;
}
int main(void) {
    pthread_t threads[THREADS];
    CHECK_ZERO(pthread_barrier_init(&barrier, NULL, THREADS + 1));
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)(intptr_t)i));
    pthread_barrier_wait(&barrier);
    MIGRATE_POINT();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < i; k++) CHECK(tids[i] != tids[k]);
    test_done();
}
