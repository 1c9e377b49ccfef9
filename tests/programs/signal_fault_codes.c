// SIGFPE, SIGILL, SIGSEGV, SIGTRAP: code, address and saved instruction pointer; the handler steps over them.
#include "pmi_test.h"
#include <ucontext.h>
static volatile sig_atomic_t last_signal, last_code;
static volatile uintptr_t last_address;
static void on_fault(int sig, siginfo_t* info, void* context) {
    ucontext_t* uc = context;
    last_signal = sig;
    last_code = info->si_code;
    last_address = (uintptr_t)info->si_addr;
    uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_R12];  // the place to go on
}
#define FAULTING(code) __asm__ volatile("lea 1f(%%rip), %%r12\n\t" code "\n1:" : : : "r12", "rax", "rcx", "rdx", "cc", "memory")
static void expect(int sig, int code) {
    CHECK_EQ(last_signal, sig);
    CHECK_EQ(last_code, code);
    last_signal = 0;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    for (int i = 0; i < 4; i++) CHECK_SYS(sigaction(signals[i], &action, NULL));
    for (int round = 0; round < 2; round++) {
        MIGRATE_POINT();
        FAULTING("xor %%ecx, %%ecx\n\txor %%edx, %%edx\n\tmov $1, %%eax\n\tdiv %%ecx");
        expect(SIGFPE, FPE_INTDIV);
        MIGRATE_POINT();
        FAULTING("ud2");
        expect(SIGILL, ILL_ILLOPN);
        FAULTING("mov $0x1234, %%eax\n\tmov (%%rax), %%ecx");
        expect(SIGSEGV, SEGV_MAPERR);
        CHECK_EQ(last_address, 0x1234);
        MIGRATE_POINT();
        FAULTING("movabs $0x8000000000000000, %%rax\n\tmov (%%rax), %%ecx");
        expect(SIGSEGV, SI_KERNEL);
        FAULTING("int3");
        CHECK_EQ(last_signal, SIGTRAP);
        FAULTING("hlt");
        expect(SIGSEGV, SI_KERNEL);
    }
    test_done();
}
