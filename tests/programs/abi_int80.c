// A 64-bit program that makes system calls of the 32-bit kind: by int $0x80, which kernels may have or not.
#include <sys/wait.h>
#include "pmi_test.h"
enum { kGetpid32 = 20, kWrite32 = 4, kGetppid32 = 64 };
static long call32(long nr, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
static bool kernel_has_it(void) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) _exit(call32(kGetpid32, 0, 0, 0) == getpid() ? 0 : 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status == 0;
}
int main(void) {
    if (!kernel_has_it()) test_skip("this kernel has no 32-bit system calls");
    char* low = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    int ends[2];
    CHECK_SYS(pipe(ends));
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        CHECK_EQ(call32(kGetpid32, 0, 0, 0), getpid());
        CHECK_EQ(call32(kGetppid32, 0, 0, 0), getppid());
        snprintf(low, 4096, "round %d", round);
        CHECK_EQ(call32(kWrite32, ends[1], (long)(intptr_t)low, 7), 7);
        char text[8] = "";
        CHECK_EQ(read(ends[0], text, 7), 7);
        CHECK_STR(text, low);
        CHECK_EQ(call32(9999, 0, 0, 0), -ENOSYS);
    }
    test_done();
}
