// vfork shares memory and holds the parent until exec or exit; exec's failure is seen by the parent.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    volatile int mark = 0;
    MIGRATE_POINT();
    pid_t child = vfork();
    if (child == 0) {
        mark = 7;
        _exit(3);
    }
    CHECK_EQ(mark, 7);
    CHECK_EXITED(child, 3);
    MIGRATE_POINT();
    char* const arguments[] = {(char*)"sh", (char*)"-c", (char*)"exit $PMI_CODE", NULL};
    char* const environment[] = {(char*)"PMI_CODE=42", NULL};
    child = vfork();
    if (child == 0) {
        execve("/bin/sh", arguments, environment);
        _exit(127);
    }
    CHECK_EXITED(child, 42);
    MIGRATE_POINT();
    volatile int error = 0;
    child = vfork();
    if (child == 0) {
        execve("missing/program", arguments, environment);
        error = errno;
        _exit(126);
    }
    CHECK_EQ(error, ENOENT);
    CHECK_EXITED(child, 126);
    test_done();
}
