// A thread other than the main one has a seccomp filter of its own: what is injected would not be its calls.
#include "pmi_test.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
static _Atomic int ready, stop;
static _Atomic long count;
static void* sandboxed(void* unused) {
    struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
                              BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
                              BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog p = {5, f};
    CHECK_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_SYS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
    ready = 1;
    while (!stop) count++;
    raw_syscall(SYS_exit, 0, 0, 0, 0, 0, 0);
    return unused;
}
int main(void) {
    pthread_t t;
    CHECK_ZERO(pthread_create(&t, NULL, sandboxed, NULL));
    WAIT_FOR(ready);
    for (int i = 0; i < 4; i++) {
        MIGRATE_POINT();
        long c = count;
        WAIT_FOR(count != c);
        sleep_ms(50);
    }
    stop = 1;
    sleep_ms(100);
    test_done();
}
