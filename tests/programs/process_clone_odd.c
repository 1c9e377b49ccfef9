// Forms of clone that few programs use: CLONE_UNTRACED, a pidfd that can't be told, a set_tid of no elements, shared handlers, a
// thread with a pidfd.
#include "pmi_test.h"
#include <linux/sched.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static char stack[64 << 10] __attribute__((aligned(16)));
static volatile sig_atomic_t signals;
static atomic_int is_over, child_tid = 1;

static void check_untraced(void) {
    MIGRATE_POINT();
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(7);
    CHECK(child > 0);
    CHECK_EXITED(child, 7);
}

static void check_refused(struct clone_args args, int expected) {
    MIGRATE_POINT();
    long result = syscall(SYS_clone3, &args, sizeof args);
    if (result == 0) _exit(1);
    CHECK(result == -1 && errno == expected);
    CHECK_ERRNO(waitpid(-1, NULL, WNOHANG | __WALL), ECHILD);
}

static void count(int signal) { (void)signal, signals++; }

static int set_handler(void* unused) {
    (void)unused;
    signal(SIGUSR1, count);
    return 0;
}

static void check_shared_handlers(void) {
    MIGRATE_POINT();
    int child = clone(set_handler, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | SIGCHLD, NULL);
    CHECK(child > 0);
    CHECK_EXITED(child, 0);
    raise(SIGUSR1);
    CHECK_EQ(signals, 1);
    MIGRATE_POINT();
    raise(SIGUSR1);
    CHECK_EQ(signals, 2);
}

static int wait_until_over(void* unused) {
    (void)unused;
    while (!is_over) usleep(1000);
    return 0;
}

static void check_thread_with_pidfd(void) {
    int pidfd = -1;
    unsigned long flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PIDFD | CLONE_CHILD_CLEARTID;
    MIGRATE_POINT();
    int tid = clone(wait_until_over, stack + sizeof stack, (int)flags, NULL, &pidfd, NULL, &child_tid);
    if (tid < 0 && errno == EINVAL) return;  // Linux 6.9
    CHECK(tid > 0);
    char path[64], target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", pidfd);
    CHECK(readlink(path, target, sizeof target - 1) > 0);
    CHECK_STR(target, "anon_inode:[pidfd]");
    struct pollfd ended = {pidfd, POLLIN, 0};
    CHECK_EQ(poll(&ended, 1, 0), 0);
    is_over = 1;
    CHECK_EQ(poll(&ended, 1, 10000), 1);
}

int main(void) {
    void* read_only = CHECK_MMAP(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pid_t ids[1] = {1};
    check_untraced();
    check_refused((struct clone_args){.flags = CLONE_PIDFD, .pidfd = (uintptr_t)read_only, .exit_signal = SIGCHLD}, EFAULT);
    check_refused((struct clone_args){.exit_signal = SIGCHLD, .set_tid = (uintptr_t)ids}, EINVAL);
    check_shared_handlers();
    check_thread_with_pidfd();
    test_done();
}
