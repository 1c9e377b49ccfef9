// Anonymous shared memory between parent and child is one memory. (May keep the pair at home, must never
// split it.)
#include "pmi_test.h"
int main(void) {
    struct {
        _Atomic int turn, sum;
    }* shared = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t child = fork();
    int self = child == 0 ? 1 : 0;
    for (int i = 0; i < 200; i++) {
        WAIT_FOR(shared->turn % 2 == self);
        shared->sum += i;
        if (i % 50 == 25) MIGRATE_POINT();
        shared->turn++;
    }
    if (child == 0) _exit(0);
    CHECK_EXITED(child, 0);
    CHECK_EQ(shared->turn, 400);
    CHECK_EQ(shared->sum, 2 * 19900);
    test_done();
}
