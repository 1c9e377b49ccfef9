// clone3: exit signal, pidfd and child-tid fields.
#include "pmi_test.h"
#include <linux/sched.h>
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
int main(void) {
    int pidfd = -1;
    pid_t child_tid = 0, parent_tid = 0;
    struct clone_args arguments = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
                                   .pidfd = (uintptr_t)&pidfd,
                                   .child_tid = (uintptr_t)&child_tid,
                                   .parent_tid = (uintptr_t)&parent_tid,
                                   .exit_signal = SIGCHLD};
    MIGRATE_POINT();
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == -1 && errno == ENOSYS) test_skip("no clone3");
    CHECK_SYS(child);
    if (child == 0) {
        CHECK_EQ(child_tid, syscall(SYS_getpid));
        MIGRATE_POINT();
        _exit(syscall(SYS_getpid) == child_tid ? 12 : 1);
    }
    CHECK_EQ(parent_tid, child);
    CHECK_EQ(child_tid, 0);
    CHECK(pidfd >= 0);
    struct pollfd set = {pidfd, POLLIN, 0};
    CHECK_EQ(poll(&set, 1, 10000), 1);
    MIGRATE_POINT();
    CHECK_EXITED(child, 12);
    test_done();
}
