// Every way to ask for PID, TID, parent, group and session says the same over points.
#include "pmi_test.h"
int main(void) {
    pid_t pid = getpid(), ppid = getppid(), pgid = getpgrp(), sid = getsid(0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(getpid(), pid);
        CHECK_EQ(syscall(SYS_getpid), pid);
        CHECK_EQ(raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), pid);
        CHECK_EQ(gettid(), pid);
        CHECK_EQ(syscall(SYS_gettid), pid);
        CHECK_EQ(syscall(SYS_getppid), ppid);
        CHECK_EQ(getpgid(pid), pgid);
        CHECK_EQ(getsid(pid), sid);
        char target[32] = {0};
        CHECK_SYS(readlink("/proc/self", target, sizeof target - 1));
        CHECK_EQ(atoi(target), pid);
        CHECK_EQ(syscall(SYS_set_tid_address, NULL), pid);
        MIGRATE_POINT();
    }
    test_done();
}
