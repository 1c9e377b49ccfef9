// A thread made by raw clone, without libpthread: same PID, its own TID, ended by SYS_exit, seen by a futex
// on ctid.
#include "pmi_test.h"
static _Atomic int tid_word;
static volatile int thread_pid, thread_tid;
static int thread_main(void* argument) {
    (void)argument;
    thread_pid = (int)raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    MIGRATE_POINT();
    thread_tid = (int)raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    raw_syscall(SYS_exit, 0, 0, 0, 0, 0, 0);
    return 0;
}
int main(void) {
    enum { SIZE = 1 << 17 };
    char* stack = CHECK_MMAP(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int round = 0; round < 3; round++) {
        tid_word = -1;
        int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                    CLONE_CHILD_CLEARTID;
        int parent_tid = 0;
        int tid = (int)CHECK_SYS(clone(thread_main, stack + SIZE, flags, NULL, &parent_tid, NULL, (void*)&tid_word));
        CHECK_EQ(parent_tid, tid);
        MIGRATE_POINT();
        for (int now; (now = tid_word) != 0;) {
            long result = syscall(SYS_futex, &tid_word, FUTEX_WAIT, now, NULL, NULL, 0);
            CHECK(result == 0 || errno == EAGAIN);
        }
        CHECK_EQ(thread_pid, getpid());
        CHECK_EQ(thread_tid, tid);
    }
    test_done();
}
