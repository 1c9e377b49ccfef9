// SIGCHLD ignored or SA_NOCLDWAIT: no zombies, wait says ECHILD when the last is gone.
#include "pmi_test.h"
int main(void) {
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    MIGRATE_POINT();
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) _exit(i);
        CHECK(child > 0);
    }
    MIGRATE_POINT();
    CHECK_ERRNO(wait(NULL), ECHILD);  // waits until all are gone
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    CHECK_SYS(sigaction(SIGCHLD, &action, NULL));
    pid_t child = fork();
    if (child == 0) _exit(1);
    MIGRATE_POINT();
    CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
    CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    child = fork();
    if (child == 0) _exit(5);
    MIGRATE_POINT();
    CHECK_EXITED(child, 5);
    test_done();
}
