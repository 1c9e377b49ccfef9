// A thread that waits for a robust mutex is woken when its owner dies; the robust list is known to the
// kernel.
#include "pmi_test.h"
static pthread_mutex_t robust;
static atomic_int locked;
static void* dier(void* argument) {
    CHECK_ZERO(pthread_mutex_lock(&robust));
    locked = 1;
    sleep_ms(100);
    MIGRATE_POINT();
    return argument;
}
int main(void) {
    void* head;
    size_t length;
    CHECK_SYS(syscall(SYS_get_robust_list, 0, &head, &length));
    CHECK(head != NULL);
    pthread_mutexattr_t attributes;
    CHECK_ZERO(pthread_mutexattr_init(&attributes));
    CHECK_ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    CHECK_ZERO(pthread_mutex_init(&robust, &attributes));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, dier, NULL));
    WAIT_FOR(locked);
    CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
    CHECK_ZERO(pthread_join(thread, NULL));
    MIGRATE_POINT();
    void* again;
    CHECK_SYS(syscall(SYS_get_robust_list, 0, &again, &length));
    CHECK(again == head);
    CHECK_EQ(length, 24);
    test_done();
}
