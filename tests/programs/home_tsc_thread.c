// A thread other than the main one may not read the time stamp counter (PR_SET_TSC is a thread's own).
#include "pmi_test.h"
#include <sys/prctl.h>
static void* other(void* u) {
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0) test_skip("PR_SET_TSC");
    int v = 0;
    for (int i = 0; i < 4; i++) {
        MIGRATE_POINT();
        CHECK_SYS(prctl(PR_GET_TSC, &v));
        if (v != PR_TSC_SIGSEGV) FAIL("%d after point %d", v, i);
    }
    return u;
}
int main(void) {
    pthread_t t;
    CHECK_ZERO(pthread_create(&t, NULL, other, NULL));
    CHECK_ZERO(pthread_join(t, NULL));
    test_done();
}
