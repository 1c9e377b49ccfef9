// Thread names by pthread_setname_np and prctl, seen in /proc; gettid against /proc/self/task.
#include "pmi_test.h"
#include <sys/prctl.h>
static atomic_int state;
static atomic_int tid;
static void* thread_main(void* argument) {
    tid = gettid();
    CHECK_SYS(prctl(PR_SET_NAME, "by-prctl"));
    state = 1;
    WAIT_FOR(state == 2);
    char name[16];
    CHECK_SYS(prctl(PR_GET_NAME, name));
    CHECK_STR(name, "by-prctl");
    return argument;
}
int main(void) {
    pthread_t thread;
    CHECK_ZERO(pthread_setname_np(pthread_self(), "first-one"));
    CHECK_ZERO(pthread_create(&thread, NULL, thread_main, NULL));
    WAIT_FOR(state == 1);
    MIGRATE_POINT();
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    slurp(path, text, sizeof text);
    CHECK_STR(text, "by-prctl\n");
    slurp("/proc/self/comm", text, sizeof text);
    CHECK_STR(text, "first-one\n");
    CHECK_ZERO(pthread_getname_np(thread, text, sizeof text));
    CHECK_STR(text, "by-prctl");
    state = 2;
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_EQ(gettid(), getpid());
    test_done();
}
