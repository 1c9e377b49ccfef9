// Niceness, policy and parameters are kept; what isn't allowed is refused.
#include "pmi_test.h"
int main(void) {
    errno = 0;
    int before = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(errno, 0);
    if (before > 15) test_skip("already too nice");
    CHECK_SYS(setpriority(PRIO_PROCESS, 0, before + 3));
    MIGRATE_POINT();
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before + 3);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20 - (before + 3));
    CHECK_EQ(nice(1), before + 4);
    MIGRATE_POINT();
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before + 4);
    CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
    struct sched_param parameters = {0};
    CHECK_SYS(sched_setscheduler(0, SCHED_BATCH, &parameters));
    MIGRATE_POINT();
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    CHECK_SYS(sched_getparam(0, &parameters));
    CHECK_EQ(parameters.sched_priority, 0);
    CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
    if (geteuid() != 0) CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, before - 1), EACCES);
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        _exit(getpriority(PRIO_PROCESS, 0) == before + 4 && sched_getscheduler(0) == SCHED_BATCH ? 0 : 1);
    }
    CHECK_EXITED(child, 0);
    CHECK_SYS(sched_yield());
    test_done();
}
