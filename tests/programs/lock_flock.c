// flock belongs to the open file: another open sees it, a dup does not conflict, closing releases.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int a = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int b = (int)CHECK_SYS(open("file", O_RDWR));
    CHECK_SYS(flock(a, LOCK_EX));
    MIGRATE_POINT();
    CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int copy = (int)CHECK_SYS(dup(a));
    CHECK_SYS(flock(copy, LOCK_EX | LOCK_NB));
    CHECK_SYS(close(a));
    MIGRATE_POINT();
    CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    pid_t child = fork();
    if (child == 0) {  // the child's copy is the same lock; releasing it releases it for all
        MIGRATE_POINT();
        CHECK_SYS(flock(copy, LOCK_UN));
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    CHECK_SYS(flock(b, LOCK_SH | LOCK_NB));
    CHECK_SYS(flock(copy, LOCK_SH | LOCK_NB));
    CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    test_done();
}
