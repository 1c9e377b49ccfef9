// Clones that the kernel refuses for their arguments: the right error, and no child or thread of it, neither then nor later.
#include "pmi_test.h"
#include <linux/sched.h>
static int count_tasks(void) {
    DIR* dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    int count = 0;
    for (struct dirent* e; (e = readdir(dir)) != NULL;) count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}
static long clone_raw(unsigned long flags, unsigned long stack, unsigned long tls) {
    int tid = 0;
    return raw_syscall(SYS_clone, (long)flags, (long)stack, (long)&tid, (long)&tid, (long)tls, 0);
}
static long clone3_raw(struct clone_args args) { return raw_syscall(SYS_clone3, (long)&args, sizeof args, 0, 0, 0, 0); }
// A refused clone must not come back twice: whoever is a child ends at once, and is found.
#define CHECK_REFUSED(call, error)                                                      \
    do {                                                                                \
        long result_ = (call);                                                          \
        if (result_ == 0) raw_syscall(SYS_exit, 77, 0, 0, 0, 0, 0);                     \
        if (result_ != -(error)) FAIL("%s gave %ld, not %d", #call, result_, -(error)); \
        CHECK_ERRNO(waitpid(-1, NULL, WNOHANG | __WALL), ECHILD);                       \
        CHECK_EQ(count_tasks(), 1);                                                     \
    } while (0)
enum { kCases = 15 };
static void check_case(int n) {
    const unsigned long thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    static char stack[65536] __attribute__((aligned(16)));
    unsigned long bottom = (unsigned long)stack, top = bottom + sizeof stack, nowhere = 1UL << 60;
    switch (n) {
        case 0: CHECK_REFUSED(clone_raw(CLONE_SIGHAND | SIGCHLD, 0, 0), EINVAL); return;
        case 1: CHECK_REFUSED(clone_raw(CLONE_THREAD | CLONE_VM, top, 0), EINVAL); return;
        case 2: CHECK_REFUSED(clone_raw(thread & ~(unsigned long)CLONE_VM, top, 0), EINVAL); return;
        case 3: CHECK_REFUSED(clone_raw(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, 0), EINVAL); return;
        case 4: CHECK_REFUSED(clone_raw(CLONE_SETTLS | SIGCHLD, 0, nowhere), EPERM); return;
        case 5: CHECK_REFUSED(clone_raw(thread | CLONE_SETTLS, top, nowhere), EPERM); return;
        case 6: CHECK_REFUSED(clone3_raw((struct clone_args){.exit_signal = 65}), EINVAL); return;
        case 7: CHECK_REFUSED(clone3_raw((struct clone_args){.exit_signal = SIGCHLD, .stack = bottom}), EINVAL); return;
        case 8: CHECK_REFUSED(clone3_raw((struct clone_args){.exit_signal = SIGCHLD, .stack_size = sizeof stack}), EINVAL); return;
        case 9:
            CHECK_REFUSED(clone3_raw((struct clone_args){.exit_signal = SIGCHLD, .stack = nowhere, .stack_size = 4096}), EINVAL);
            return;
        case 10: CHECK_REFUSED(clone3_raw((struct clone_args){.flags = SIGCHLD}), EINVAL); return;
        case 11: CHECK_REFUSED(clone3_raw((struct clone_args){.flags = 1UL << 50, .exit_signal = SIGCHLD}), EINVAL); return;
        case 12: CHECK_REFUSED(clone3_raw((struct clone_args){.flags = CLONE_PARENT, .exit_signal = SIGCHLD}), EINVAL); return;
        case 13:
            CHECK_REFUSED(clone3_raw((struct clone_args){
                              .flags = thread, .exit_signal = SIGCHLD, .stack = bottom, .stack_size = sizeof stack}),
                          EINVAL);
            return;
        default: {
            struct {
                struct clone_args args;
                uint64_t unknown[50];
            } larger = {.args = {.exit_signal = SIGCHLD}, .unknown = {[49] = 1}};
            CHECK_REFUSED(raw_syscall(SYS_clone3, (long)&larger, sizeof larger, 0, 0, 0, 0), E2BIG);
        }
    }
}
int main(void) {
    for (int n = 0; n < kCases; n++) check_case(n);
    for (int n = 0; n < kCases; n++) {
        MIGRATE_POINT();
        check_case(n);
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) _exit(5);
        CHECK_EXITED(child, 5);
    }
    test_done();
}
