// Raw clone with CLONE_VM and a stack of its own: memory is shared, the end is seen by wait and by ctid.
#include "pmi_test.h"
static volatile int shared;
static pid_t ctid;
static int child_main(void* argument) {
    shared = (int)(intptr_t)argument;
    MIGRATE_POINT();
    shared++;
    return 17;
}
int main(void) {
    enum { SIZE = 1 << 17 };
    char* stack = CHECK_MMAP(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
    MIGRATE_POINT();
    ctid = -1;
    pid_t child = clone(child_main, stack + SIZE, CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, (void*)100, NULL,
                        NULL, &ctid);
    CHECK_SYS(child);
    CHECK_EXITED(child, 17);
    CHECK_EQ(shared, 101);
    CHECK_EQ(ctid, 0);
    MIGRATE_POINT();
    // A signal other than SIGCHLD at the end: only __WCLONE waits for it.
    child = clone(child_main, stack + SIZE, CLONE_VM | SIGUSR1, (void*)200, NULL, NULL, NULL);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    CHECK_SYS(child);
    int status;
    CHECK_EQ(waitpid(child, &status, __WCLONE), child);
    CHECK_EQ(WEXITSTATUS(status), 17);
    CHECK_EQ(shared, 201);
    test_done();
}
