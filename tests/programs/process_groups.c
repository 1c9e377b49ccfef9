// setsid, setpgid, getpgid, getsid: identities of group and session are kept, also as the child sees them.
#include "pmi_test.h"
int main(void) {
    pid_t parent_group = getpgrp(), parent_session = getsid(0);
    MIGRATE_POINT();
    CHECK_EQ(getpgrp(), parent_group);
    CHECK_EQ(getsid(0), parent_session);
    CHECK_EQ(syscall(SYS_getpgid, 0), parent_group);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(getpgrp(), parent_group);
        CHECK_SYS(setpgid(0, 0));
        MIGRATE_POINT();
        CHECK_EQ(getpgrp(), getpid());
        CHECK_EQ(getsid(0), parent_session);
        CHECK_ERRNO(setsid(), EPERM);  // a group leader
        pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK_EQ(setsid(), getpid());
            MIGRATE_POINT();
            CHECK_EQ(getsid(0), getpid());
            CHECK_EQ(getpgid(0), getpid());
            CHECK_ERRNO(setpgid(0, parent_group), EPERM);
            CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
            _exit(0);
        }
        CHECK_EXITED(grandchild, 0);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(setpgid(999999999, 0), ESRCH);
    test_done();
}
