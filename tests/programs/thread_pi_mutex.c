// A priority-inheritance mutex: its word holds the owner's TID, taken and handed on over points.
#include "pmi_test.h"
static pthread_mutex_t mutex;
static int count;
static void* thread_main(void* argument) {
    for (int i = 0; i < 300; i++) {
        CHECK_ZERO(pthread_mutex_lock(&mutex));
        CHECK_EQ(*(int*)&mutex & FUTEX_TID_MASK, gettid());
        int before = count;
        if (i % 100 == 30 && argument) MIGRATE_POINT();
        count = before + 1;
        CHECK_ZERO(pthread_mutex_unlock(&mutex));
    }
    return NULL;
}
int main(void) {
    pthread_mutexattr_t attributes;
    CHECK_ZERO(pthread_mutexattr_init(&attributes));
    CHECK_ZERO(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    int result = pthread_mutex_init(&mutex, &attributes);
    if (result == ENOTSUP) test_skip("no PI mutexes");
    CHECK_ZERO(result);
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)i));
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(count, 1200);
    CHECK_ZERO(pthread_mutex_lock(&mutex));
    MIGRATE_POINT();
    CHECK_EQ(*(int*)&mutex & FUTEX_TID_MASK, gettid());
    CHECK_ZERO(pthread_mutex_unlock(&mutex));
    test_done();
}
