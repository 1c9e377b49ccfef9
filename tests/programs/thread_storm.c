// Threads made and joined 1500 times while another thread reaches points.
#include "pmi_test.h"
static atomic_bool stop;
static atomic_int total;
static void* one(void* argument) {
    total += (int)(intptr_t)argument;
    return argument;
}
static void* pointer(void* argument) {
    for (int i = 0; i < 5 && !stop; i++) {
        MIGRATE_POINT();
        sleep_ms(5);
    }
    return argument;
}
int main(void) {
    pthread_t point_thread, threads[3];
    CHECK_ZERO(pthread_create(&point_thread, NULL, pointer, NULL));
    int expected = 0;
    for (int i = 0; i < 500; i++) {
        for (int k = 0; k < 3; k++) CHECK_ZERO(pthread_create(&threads[k], NULL, one, (void*)(intptr_t)(i + k)));
        for (int k = 0; k < 3; k++) {
            void* result;
            CHECK_ZERO(pthread_join(threads[k], &result));
            CHECK_EQ((intptr_t)result, i + k);
            expected += i + k;
        }
    }
    stop = true;
    CHECK_ZERO(pthread_join(point_thread, NULL));
    CHECK_EQ(total, expected);
    test_done();
}
