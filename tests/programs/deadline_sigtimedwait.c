// sigtimedwait for a signal that never comes: EAGAIN at its time, never EINTR.
#include "pmi_test.h"
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    int64_t start = now_ns();
    struct timespec limit = {2, 0};
    CHECK_ERRNO(sigtimedwait(&set, NULL, &limit), EAGAIN);
    CHECK_ELAPSED(start, 2000);
    later_point_join(&later);
    test_done();
}
