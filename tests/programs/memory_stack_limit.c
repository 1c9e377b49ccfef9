// A program that raises its own limit on the stack: system calls write into pages of it that nobody has touched, far below 8 MiB.
#include <sys/resource.h>
#include "pmi_test.h"
static int zeros;
static __attribute__((noinline)) long read_below(void) {
    volatile char room[40000];
    return raw_syscall(SYS_read, zeros, (long)(intptr_t)room, 3, 0, 0, 0);
}
static __attribute__((noinline)) long go_down(int steps) {
    volatile char frame[100000];
    for (size_t i = 0; i < sizeof frame; i += 4096) frame[i] = 1;
    long result = steps > 0 ? go_down(steps - 1) : read_below();
    frame[0] = 2;
    return result;
}
int main(void) {
    zeros = (int)CHECK_SYS(open("/dev/zero", O_RDONLY));
    struct rlimit limit;
    CHECK_ZERO(getrlimit(RLIMIT_STACK, &limit));
    limit.rlim_cur = 64 << 20;
    if (limit.rlim_max < limit.rlim_cur) test_skip("the hard limit on the stack is too low");
    CHECK_ZERO(setrlimit(RLIMIT_STACK, &limit));
    for (int depth = 10; depth <= 400; depth += 130) {
        MIGRATE_POINT();
        CHECK_EQ(go_down(depth), 3);
    }
    test_done();
}
