// Thread-local variables and pthread_getspecific keep their values; key destructors run at the end of each
// thread.
#include "pmi_test.h"
static __thread struct {
    int number;
    char text[200];
} local = {5, "initial"};
static pthread_key_t key;
static atomic_int destroyed;
static void destroy(void* value) { destroyed += (int)(intptr_t)value; }
static void* thread_main(void* argument) {
    CHECK_EQ(local.number, 5);
    CHECK_STR(local.text, "initial");
    local.number = (int)(intptr_t)argument;
    snprintf(local.text, sizeof local.text, "thread %d", local.number);
    CHECK_ZERO(pthread_setspecific(key, argument));
    errno = 1000 + local.number;
    MIGRATE_POINT();
    CHECK_EQ(errno, 1000 + local.number);
    char expected[32];
    snprintf(expected, sizeof expected, "thread %d", (int)(intptr_t)argument);
    CHECK_STR(local.text, expected);
    CHECK(pthread_getspecific(key) == argument);
    return NULL;
}
int main(void) {
    CHECK_ZERO(pthread_key_create(&key, destroy));
    pthread_t threads[4];
    for (int i = 1; i <= 4; i++) CHECK_ZERO(pthread_create(&threads[i - 1], NULL, thread_main, (void*)(intptr_t)i));
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(destroyed, 10);
    CHECK_EQ(local.number, 5);
    test_done();
}
