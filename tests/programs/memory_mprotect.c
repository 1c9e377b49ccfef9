// PROT_NONE and read-only pages fault with the right address and code; the handler opens them.
#include "pmi_test.h"
enum { PAGE = 4096 };
static char* area;
static volatile sig_atomic_t faults;
static void on_segv(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    CHECK(info->si_addr == area + 3 * PAGE + 17 || info->si_addr == area + 5 * PAGE);
    CHECK_EQ(info->si_code, SEGV_ACCERR);
    faults++;
    CHECK_SYS(mprotect((char*)((uintptr_t)info->si_addr & ~4095UL), PAGE, PROT_READ | PROT_WRITE));
}
int main(void) {
    area = CHECK_MMAP(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(area, 'm', 8 * PAGE);
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGSEGV, &action, NULL));
    CHECK_SYS(mprotect(area + 3 * PAGE, PAGE, PROT_NONE));
    CHECK_SYS(mprotect(area + 5 * PAGE, PAGE, PROT_READ));
    MIGRATE_POINT();
    CHECK_EQ(*(volatile char*)(area + 3 * PAGE + 17), 'm');
    CHECK_EQ(faults, 1);
    CHECK_EQ(*(volatile char*)(area + 5 * PAGE), 'm');
    CHECK_EQ(faults, 1);
    *(volatile char*)(area + 5 * PAGE) = 'w';
    CHECK_EQ(faults, 2);
    MIGRATE_POINT();
    CHECK_EQ(area[5 * PAGE], 'w');
    CHECK_SYS(mprotect(area, PAGE, PROT_NONE));
    int p[2];
    CHECK_SYS(pipe(p));
    MIGRATE_POINT();
    CHECK_ERRNO(write(p[1], area, 1), EFAULT);  // the kernel is refused as well
    CHECK_SYS(mprotect(area, PAGE, PROT_READ));
    MIGRATE_POINT();
    CHECK_EQ(write(p[1], area, 1), 1);
    CHECK_ERRNO(read(p[0], area, 1), EFAULT);
    CHECK_ERRNO(mprotect(area + 1, PAGE, PROT_READ), EINVAL);
    test_done();
}
