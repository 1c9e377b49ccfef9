// Numbers that no kernel knows are ENOSYS, wherever the program runs.
#include "pmi_test.h"
int main(void) {
    long unknown[] = {1000, 9999, 0x7fffffff, 600, -1};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) CHECK_EQ(raw_syscall(unknown[i], 1, 2, 3, 4, 5, 6), -ENOSYS);
        MIGRATE_POINT();
    }
    CHECK_EQ(raw_syscall(SYS_close, 12345, 0, 0, 0, 0, 0), -EBADF);
    test_done();
}
