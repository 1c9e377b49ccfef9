// Bad pointers handed to system calls are EFAULT, and nothing is lost by it.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    char* bad = CHECK_MMAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_SYS(munmap(bad + 4096, 4096));
    write_all(p[1], "0123456789", 10);
    MIGRATE_POINT();
    CHECK_ERRNO(syscall(SYS_read, p[0], bad + 4096, 4), EFAULT);
    CHECK_ERRNO(syscall(SYS_read, p[0], (void*)1, 4), EFAULT);
    CHECK_ERRNO(syscall(SYS_write, p[1], bad + 4096, 4), EFAULT);
    CHECK_ERRNO(syscall(SYS_open, bad + 4096, O_RDONLY), EFAULT);
    MIGRATE_POINT();
    memset(bad, 'x', 4096);
    CHECK_ERRNO(syscall(SYS_open, bad + 4000, O_RDONLY), EFAULT);  // no end before the hole
    CHECK_ERRNO(syscall(SYS_pipe, bad + 4092), EFAULT);
    CHECK_ERRNO(syscall(SYS_nanosleep, (void*)8, NULL), EFAULT);
    CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void*)8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void*)8, NULL, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_futex, (void*)0x1000, FUTEX_WAIT, 0, NULL), EFAULT);
    MIGRATE_POINT();
    char text[16];
    CHECK_EQ(read(p[0], text, 16), 10);
    CHECK(memcmp(text, "0123456789", 10) == 0);
    test_done();
}
