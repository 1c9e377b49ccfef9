// PR_SET_CHILD_SUBREAPER: orphans of a grandchild come to us, and getppid in them follows.
#include "pmi_test.h"
#include <sys/prctl.h>
int main(void) {
    CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
    MIGRATE_POINT();
    int on = 0;
    CHECK_SYS(prctl(PR_GET_CHILD_SUBREAPER, &on));
    CHECK_EQ(on, 1);
    int p[2];
    CHECK_SYS(pipe(p));
    pid_t reaper = getpid(), child = fork();
    if (child == 0) {
        pid_t middle = getpid(), grandchild = fork();
        if (grandchild == 0) {
            MIGRATE_POINT();
            WAIT_FOR(getppid() != middle);
            MIGRATE_POINT();
            CHECK_EQ(getppid(), reaper);
            CHECK_EQ(syscall(SYS_getppid), reaper);
            pid_t own = getpid();
            write_all(p[1], &own, sizeof own);
            _exit(66);
        }
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    pid_t orphan;
    read_all(p[0], &orphan, sizeof orphan);
    CHECK_EXITED(orphan, 66);
    test_done();
}
