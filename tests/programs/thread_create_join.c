// Threads take an argument, give a result, and are detached or joined.
#include "pmi_test.h"
static atomic_int detached_done;
static void* square(void* argument) {
    intptr_t n = (intptr_t)argument;
    if (n == 3) MIGRATE_POINT();
    return (void*)(n * n);
}
static void* detached(void* argument) {
    MIGRATE_POINT();
    detached_done++;
    return argument;
}
int main(void) {
    pthread_t threads[8];
    for (intptr_t i = 0; i < 8; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, square, (void*)i));
    MIGRATE_POINT();
    for (intptr_t i = 0; i < 8; i++) {
        void* result;
        CHECK_ZERO(pthread_join(threads[i], &result));
        CHECK_EQ((intptr_t)result, i * i);
    }
    pthread_attr_t attributes;
    CHECK_ZERO(pthread_attr_init(&attributes));
    CHECK_ZERO(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
    CHECK_ZERO(pthread_create(&threads[0], &attributes, detached, NULL));
    WAIT_FOR(detached_done == 1);
    CHECK_EQ(pthread_tryjoin_np(pthread_self(), NULL), EBUSY);
    test_done();
}
