// prctl state is kept: name, dumpable, no_new_privs, timer slack, keepcaps, THP.
#include "pmi_test.h"
#include <sys/prctl.h>
int main(void) {
    CHECK_SYS(prctl(PR_SET_NAME, "a-new-name-cut-at-15"));
    CHECK_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_SYS(prctl(PR_SET_TIMERSLACK, 123456));
    CHECK_SYS(prctl(PR_SET_DUMPABLE, 1));
    CHECK_SYS(prctl(PR_SET_KEEPCAPS, 1));
    CHECK_SYS(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    for (int i = 0; i < 2; i++) {
        MIGRATE_POINT();
        char name[17] = {0};
        CHECK_SYS(prctl(PR_GET_NAME, name));
        CHECK_STR(name, "a-new-name-cut-");
        CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        CHECK_EQ(prctl(PR_GET_TIMERSLACK), 123456);
        CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
        CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
        CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    }
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(9999), EINVAL);
    test_done();
}
