// pthread_once, pthread_atfork, and a fork from a thread that isn't the first.
#include "pmi_test.h"
static int once_count, prepared, in_parent, in_child;
static void only_once(void) { once_count++; }
static void prepare(void) { prepared++; }
static void parent_after(void) { in_parent++; }
static void child_after(void) { in_child++; }
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void* forker(void* argument) {
    CHECK_ZERO(pthread_once(&once, only_once));
    MIGRATE_POINT();
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(in_child, 1);
        CHECK_EQ(gettid(), getpid());
        MIGRATE_POINT();
        CHECK_ZERO(pthread_once(&once, only_once));
        CHECK_EQ(once_count, 1);
        _exit(9);
    }
    CHECK_EXITED(child, 9);
    return argument;
}
int main(void) {
    CHECK_ZERO(pthread_atfork(prepare, parent_after, child_after));
    pthread_t thread;
    for (int i = 1; i <= 2; i++) {
        CHECK_ZERO(pthread_create(&thread, NULL, forker, NULL));
        CHECK_ZERO(pthread_join(thread, NULL));
        CHECK_EQ(prepared, i);
        CHECK_EQ(in_parent, i);
        CHECK_EQ(in_child, 0);
    }
    test_done();
}
