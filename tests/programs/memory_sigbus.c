// Beyond the end of a mapped file: SIGBUS with BUS_ADRERR; the handler jumps out.
#include "pmi_test.h"
#include <setjmp.h>
static sigjmp_buf out;
static volatile uintptr_t fault_address;
static void on_bus(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    CHECK_EQ(info->si_code, BUS_ADRERR);
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(out, 1);
}
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    write_all(fd, "short", 5);
    volatile char* p = CHECK_MMAP(mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGBUS, &action, NULL));
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        CHECK_EQ(p[0], 's');
        CHECK_EQ(p[4000], 0);
        volatile char byte = 0;
        if (sigsetjmp(out, 1) == 0) {
            byte = p[4096 + 12];
            FAIL("no SIGBUS, read %d", byte);
        }
        CHECK_EQ(fault_address, (uintptr_t)p + 4096 + 12);
    }
    CHECK_SYS(ftruncate(fd, 2 * 4096));
    MIGRATE_POINT();
    CHECK_EQ(p[4096 + 12], 0);
    test_done();
}
