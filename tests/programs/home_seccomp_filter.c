// A seccomp filter of one's own stays in force and sees the calls it should. (May keep the program at home.)
#include "pmi_test.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
int main(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    CHECK_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1) test_skip("no seccomp filters");
    for (int i = 0; i < 3; i++) {
        CHECK_ERRNO(syscall(SYS_getpriority, PRIO_PROCESS, 0), EDOM);
        CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
        CHECK_EQ(syscall(SYS_getpid), getpid());
        MIGRATE_POINT();
    }
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        CHECK_ERRNO(syscall(SYS_getpriority, PRIO_PROCESS, 0), EDOM);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    test_done();
}
