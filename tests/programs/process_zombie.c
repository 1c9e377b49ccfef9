// Zombies wait over points: still there, with their status and /proc state, until they are waited for.
#include "pmi_test.h"
int main(void) {
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = (pid_t)CHECK_SYS(fork());
        if (children[i] == 0) {
            if (i == 2) raise(SIGKILL);
            _exit(50 + i);
        }
        siginfo_t info;
        CHECK_SYS(waitid(P_PID, (id_t)children[i], &info, WEXITED | WNOWAIT));
    }
    MIGRATE_POINT();
    for (int i = 0; i < 3; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", children[i]);
        slurp(path, text, sizeof text);
        char* after = strrchr(text, ')');
        CHECK(after != NULL);
        CHECK_EQ(after[2], 'Z');
        CHECK_SYS(kill(children[i], 0));
    }
    MIGRATE_POINT();
    CHECK_EXITED(children[1], 51);
    CHECK_KILLED(children[2], SIGKILL);
    CHECK_EXITED(children[0], 50);
    CHECK_ERRNO(kill(children[0], 0), ESRCH);
    test_done();
}
