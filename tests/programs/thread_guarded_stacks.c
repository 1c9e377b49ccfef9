// Threads whose stacks end with guard pages that are no mapping of their own, as those of glibc 2.42: who gets beyond his stack is
// told so on his alternate stack.
#include "guard_pages.h"
enum { kThreads = 8, kGuard = 16 * 4096, kStack = 1 << 20 };
static volatile bool stop;  // never set
static int __attribute__((noinline)) endless(int depth) {
    volatile char frame[2048];
    frame[0] = (char)depth;
    return stop ? depth : endless(depth + 1) + frame[0];
}
static void* one(void* stack) {
    stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK_SYS(sigaltstack(&alternate, NULL));
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        if (sigsetjmp(guard_env, 1) == 0) {
            endless(0);
            FAIL("no end of the stack");
        }
        CHECK(!guard_may_load((char*)stack + kGuard - 1));
        sleep_ms(10);
    }
    alternate.ss_flags = SS_DISABLE;
    CHECK_SYS(sigaltstack(&alternate, NULL));
    return stack;
}
int main(void) {
    struct sigaction action = {.sa_handler = guard_on_fault, .sa_flags = SA_ONSTACK};
    CHECK_SYS(sigaction(SIGSEGV, &action, NULL));
    for (int again = 0; again < 2; again++) {
        pthread_t threads[kThreads];
        for (int i = 0; i < kThreads; i++) {
            char* stack = CHECK_MMAP(mmap(NULL, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
            guard_install(stack, kGuard);
            pthread_attr_t attributes;
            CHECK_ZERO(pthread_attr_init(&attributes));
            CHECK_ZERO(pthread_attr_setstack(&attributes, stack, kStack));
            CHECK_ZERO(pthread_create(&threads[i], &attributes, one, stack));
            CHECK_ZERO(pthread_attr_destroy(&attributes));
        }
        for (int i = 0; i < kThreads; i++) {
            void* stack;
            CHECK_ZERO(pthread_join(threads[i], &stack));
            CHECK_SYS(munmap(stack, kStack));
        }
    }
    test_done();
}
