// pthread_cancel of threads blocked in read, sleep and computing; clean-up handlers run.
#include "pmi_test.h"
static atomic_int cleaned, started;
static int p[2];
static void cleanup(void* argument) { cleaned += (int)(intptr_t)argument; }
static void* thread_main(void* argument) {
    int kind = (int)(intptr_t)argument;
    char byte;
    pthread_cleanup_push(cleanup, (void*)(intptr_t)(1 << (4 * kind)));
    started++;
    if (kind == 0) CHECK_SYS(read(p[0], &byte, 1));
    if (kind == 1) sleep(1000);
    for (;;) pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}
int main(void) {
    CHECK_SYS(pipe(p));
    pthread_t threads[3];
    for (intptr_t i = 0; i < 3; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)i));
    WAIT_FOR(started == 3);
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        CHECK_ZERO(pthread_cancel(threads[i]));
        void* result;
        CHECK_ZERO(pthread_join(threads[i], &result));
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK_EQ(cleaned, 0x111);
    test_done();
}
