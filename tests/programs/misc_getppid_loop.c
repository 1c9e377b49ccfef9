// 30000 cheap system calls in a row, of five kinds, all right.
#include "pmi_test.h"
int main(void) {
    pid_t pid = getpid(), parent = getppid();
    uid_t uid = getuid();
    int p[2];
    CHECK_SYS(pipe(p));
    for (int i = 0; i < 6000; i++) {
        CHECK_EQ(syscall(SYS_getpid), pid);
        CHECK_EQ(syscall(SYS_getppid), parent);
        CHECK_EQ(syscall(SYS_getuid), uid);
        CHECK_EQ(syscall(SYS_fcntl, p[0], F_GETFD), 0);
        CHECK_EQ(syscall(SYS_lseek, p[0], 0, SEEK_CUR), -1);
        if (i % 2000 == 1000) MIGRATE_POINT();
    }
    test_done();
}
