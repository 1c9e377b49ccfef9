// The affinity that was set is the one that is read, over points; it is per thread.
#include "pmi_test.h"
static void* thread_main(void* argument) {
    cpu_set_t* one = argument;
    CHECK_SYS(sched_setaffinity(0, sizeof *one, one));
    MIGRATE_POINT();
    cpu_set_t now;
    CHECK_SYS(sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&now, one));
    return NULL;
}
int main(void) {
    cpu_set_t all, one, now;
    CHECK_SYS(sched_getaffinity(0, sizeof all, &all));
    CPU_ZERO(&one);
    for (int i = CPU_SETSIZE - 1; i >= 0; i--)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, thread_main, &one));
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_SYS(sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&now, &all));
    CHECK_SYS(sched_setaffinity(0, sizeof one, &one));
    MIGRATE_POINT();
    CHECK_SYS(sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&now, &one));
    CHECK_EQ(sysconf(_SC_NPROCESSORS_ONLN) >= 1, 1);
    CHECK_SYS(sched_setaffinity(0, sizeof all, &all));
    MIGRATE_POINT();
    CHECK_SYS(sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&now, &all));
    test_done();
}
