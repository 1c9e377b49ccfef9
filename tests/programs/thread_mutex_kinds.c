// Recursive, error-checking and robust mutexes; the owner's TID in them stays true over points.
#include "pmi_test.h"
static pthread_mutex_t robust;
static void* dier(void* argument) {
    CHECK_ZERO(pthread_mutex_lock(&robust));
    MIGRATE_POINT();
    return argument;  // ends as its owner
}
int main(void) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t recursive, checking;
    CHECK_ZERO(pthread_mutexattr_init(&attributes));
    CHECK_ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE));
    CHECK_ZERO(pthread_mutex_init(&recursive, &attributes));
    CHECK_ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK));
    CHECK_ZERO(pthread_mutex_init(&checking, &attributes));
    for (int i = 0; i < 3; i++) {
        CHECK_ZERO(pthread_mutex_lock(&recursive));
        MIGRATE_POINT();
    }
    CHECK_ZERO(pthread_mutex_lock(&checking));
    MIGRATE_POINT();
    CHECK_EQ(pthread_mutex_lock(&checking), EDEADLK);
    CHECK_ZERO(pthread_mutex_unlock(&checking));
    CHECK_EQ(pthread_mutex_unlock(&checking), EPERM);
    for (int i = 0; i < 3; i++) CHECK_ZERO(pthread_mutex_unlock(&recursive));
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
    CHECK_ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_NORMAL));
    CHECK_ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    CHECK_ZERO(pthread_mutex_init(&robust, &attributes));
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, NULL, dier, NULL));
        CHECK_ZERO(pthread_join(thread, NULL));
        MIGRATE_POINT();
        CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
        CHECK_ZERO(pthread_mutex_consistent(&robust));
        CHECK_ZERO(pthread_mutex_unlock(&robust));
    }
    test_done();
}
