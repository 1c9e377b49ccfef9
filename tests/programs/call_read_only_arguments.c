// Arguments in memory that can't be written: what the kernel only reads, and what is left of a timeout, which it gives up on in
// silence. An address that nobody wants has no length. Arguments that can't be read: the kernel says so when it comes to them.
#include "pmi_test.h"
#include <linux/capability.h>

struct arguments {
    struct timespec short_time;
    struct timeval short_timeval;
    struct __user_cap_header_struct capabilities;
    unsigned length;
};

static const struct arguments* read_only_arguments(void) {
    struct arguments* a = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    *a = (struct arguments){{0, 10000000}, {0, 10000}, {_LINUX_CAPABILITY_VERSION_3, 0}, 16};
    CHECK_SYS(mprotect(a, 4096, PROT_READ));
    return a;
}

static void check_timeouts(const struct arguments* a, int readable) {
    struct pollfd poll_for = {readable, POLLIN, 0};
    fd_set set;
    MIGRATE_POINT();
    CHECK_EQ(syscall(SYS_ppoll, NULL, 0, &a->short_time, NULL, 8), 0);
    CHECK_EQ(syscall(SYS_ppoll, &poll_for, 1, &a->short_time, NULL, 8), 1);
    CHECK_EQ(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &a->short_time, NULL), 0);
    FD_ZERO(&set);
    FD_SET(readable, &set);
    CHECK_EQ(syscall(SYS_select, readable + 1, &set, NULL, NULL, &a->short_timeval), 1);
}

static void check_capabilities(const struct arguments* a) {
    struct __user_cap_data_struct data[2];
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_capget, &a->capabilities, data));
    CHECK_SYS(syscall(SYS_capset, &a->capabilities, data));
}

static void check_unwanted_addresses(const struct arguments* a) {
    int pair[2], listener = CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), client = CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un name = {.sun_family = AF_UNIX};  // any that is free
    socklen_t length = sizeof name;
    CHECK_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    CHECK_SYS(bind(listener, (struct sockaddr*)&name, sizeof(sa_family_t)));
    CHECK_SYS(listen(listener, 5));
    CHECK_SYS(getsockname(listener, (struct sockaddr*)&name, &length));
    CHECK_SYS(connect(client, (struct sockaddr*)&name, length));
    CHECK_SYS(send(pair[0], "abc", 3, 0));
    CHECK_SYS(send(pair[0], "def", 3, 0));
    MIGRATE_POINT();
    char got[8];
    CHECK_SYS(syscall(SYS_accept, listener, NULL, (void*)8));
    CHECK_EQ(syscall(SYS_recvfrom, pair[1], got, sizeof got, MSG_DONTWAIT, NULL, &a->length), 3);
    CHECK_EQ(syscall(SYS_recvfrom, pair[1], got, sizeof got, MSG_DONTWAIT, NULL, (void*)8), 3);
}

static void check_unreadable(void) {
    void* nothing = CHECK_MMAP(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char* no_arguments[] = {NULL};
    int null = CHECK_SYS(open("/dev/null", O_WRONLY));
    MIGRATE_POINT();
    CHECK_ERRNO(write(-1, nothing, 5), EBADF);
    MIGRATE_POINT();
    CHECK_EQ(write(null, nothing, 5), 5);
    MIGRATE_POINT();
    CHECK_ERRNO(execve("/nonexistent", nothing, no_arguments), ENOENT);
}

struct action {  // struct kernel_sigaction
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
};
static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal, signals++; }

// It is set all the same.
static void check_unwritable_old_action(void) {
    struct action action, now;
    signal(SIGUSR1, count);
    CHECK_SYS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &action, 8));
    signal(SIGUSR1, SIG_DFL);
    MIGRATE_POINT();
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, &action, (void*)8, 8), EFAULT);
    CHECK_SYS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &now, 8));
    CHECK(now.handler == action.handler);
    raise(SIGUSR1);
    CHECK_EQ(signals, 1);
}

int main(void) {
    const struct arguments* a = read_only_arguments();
    int ends[2];
    CHECK_SYS(pipe(ends));
    CHECK_EQ(write(ends[1], "x", 1), 1);
    check_timeouts(a, ends[0]);
    check_capabilities(a);
    check_unwanted_addresses(a);
    check_unreadable();
    check_unwritable_old_action();
    test_done();
}
