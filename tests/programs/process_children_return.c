// Children each make a call that takes them home from another node, all at once; meanwhile their parent moves.
#include <sched.h>

#include "pmi_test.h"
int main(void) {
    enum { CHILDREN = 5 };
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        pid_t children[CHILDREN];
        for (int i = 0; i < CHILDREN; i++) {
            children[i] = (pid_t)CHECK_SYS(fork());
            if (children[i] == 0) {
                CHECK_SYS(unshare(0));
                _exit(i);
            }
        }
        MIGRATE_POINT();
        for (int i = 0; i < CHILDREN; i++) CHECK_EXITED(children[i], i);
    }
    test_done();
}
