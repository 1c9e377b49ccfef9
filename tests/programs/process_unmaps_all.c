// Programs that unmap all of their memory, and die of it: of SIGSEGV, at once.
#include "pmi_test.h"
enum { CHILDREN = 3 };
int main(void) {
    struct rlimit no_core = {0, 0};
    CHECK_SYS(setrlimit(RLIMIT_CORE, &no_core));
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) {
            MIGRATE_POINT();
            munmap((void*)0, 0x7fffffff0000);
            _exit(3);
        }
        CHECK_KILLED(child, SIGSEGV);
    }
    test_done();
}
