// Threads that do nothing but fault: a move meets each of them between a fault and its handler. No fault is lost, none comes
// twice, and each tells what it is.
#define _GNU_SOURCE 1
#include <ucontext.h>

#include "pmi_test.h"

enum { PRIVILEGED, PROTECTED, DIVISION, UNKNOWN, TRAP, KINDS };
static volatile int stop;
static _Thread_local int kind;
static _Thread_local volatile long handled;
static char* page;

static void on_fault(int sig, siginfo_t* info, void* context) {
    greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
    static const int signals[KINDS] = {SIGSEGV, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    static const int codes[KINDS] = {SI_KERNEL, SEGV_ACCERR, FPE_INTDIV, ILL_ILLOPN, SI_KERNEL};
    static const int lengths[KINDS] = {1, 7, 2, 2, 0};
    CHECK_EQ(sig, signals[kind]);
    CHECK_EQ(info->si_code, codes[kind]);
    if (kind == PROTECTED) CHECK(info->si_addr == page);
    registers[REG_RIP] += lengths[kind];
    handled++;
}

static void* fault_on(void* arg) {
    kind = (int)(long)arg;
    long made = 0;
    while (!stop) {
        switch (kind) {
            case PRIVILEGED: __asm__ volatile("cli"); break;
            case PROTECTED:
                __asm__ volatile(".byte 0x48, 0xc7, 0x00, 0, 0, 0, 0" : : "a"(page) : "memory");  // movq $0,(%rax)
                break;
            case DIVISION: __asm__ volatile("div %%cl" : : "a"(1), "c"(0) : "cc"); break;
            case UNKNOWN: __asm__ volatile("ud2"); break;
            default: __asm__ volatile("int3");
        }
        CHECK_EQ(handled, ++made);
    }
    return (void*)made;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) CHECK_SYS(sigaction(signals[i], &action, NULL));
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    pthread_t threads[KINDS];
    for (long i = 0; i < KINDS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, fault_on, (void*)i));
    for (int i = 0; i < 10; i++) {
        MIGRATE_POINT();
        usleep(50000);
    }
    stop = 1;
    for (int i = 0; i < KINDS; i++) {
        void* made;
        CHECK_ZERO(pthread_join(threads[i], &made));
        CHECK((long)made > 0);
    }
    test_done();
}
