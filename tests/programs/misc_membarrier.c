// membarrier: a registration for expedited barriers stays in force.
#include "pmi_test.h"
#include <linux/membarrier.h>
int main(void) {
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (commands == -1 || !(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED)) test_skip("no membarrier");
    CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
    MIGRATE_POINT();
    CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
    CHECK_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    for (int i = 0; i < 3; i++) {
        CHECK_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
        MIGRATE_POINT();
    }
    CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0), commands);
    test_done();
}
