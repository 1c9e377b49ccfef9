// A stack overflow is caught on the alternate stack, at an address near the stack pointer.
#include "pmi_test.h"
#include <setjmp.h>
static sigjmp_buf out;
static volatile uintptr_t fault;
static void on_segv(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    fault = (uintptr_t)info->si_addr;
    siglongjmp(out, 1);
}
static volatile bool stop;  // never set
static int __attribute__((noinline)) endless(int depth) {
    volatile char frame[8192];
    frame[0] = (char)depth;
    return stop ? depth : endless(depth + 1) + frame[0];
}
int main(void) {
    struct rlimit limit;
    CHECK_SYS(getrlimit(RLIMIT_STACK, &limit));
    if (limit.rlim_cur == RLIM_INFINITY) test_skip("the stack has no limit");
    stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK_SYS(sigaltstack(&alternate, NULL));
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_SYS(sigaction(SIGSEGV, &action, NULL));
    for (int i = 0; i < 2; i++) {
        MIGRATE_POINT();
        if (sigsetjmp(out, 1) == 0) {
            endless(0);
            FAIL("no end of the stack");
        }
        char here;
        CHECK(fault < (uintptr_t)&here && (uintptr_t)&here - fault < limit.rlim_cur + (4 << 20));
    }
    test_done();
}
