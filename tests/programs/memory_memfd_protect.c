// Shared memory without a name or a descriptor: written, then made read-only, at any place of two.
#include "pmi_test.h"
enum { PAGE = 4096 };
int main(void) {
    int fd = (int)CHECK_SYS(memfd_create("protect", 0));
    CHECK_SYS(ftruncate(fd, 4 * PAGE));
    char* a = CHECK_MMAP(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    volatile char* b = CHECK_MMAP(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
    CHECK_SYS(close(fd));
    char* c = CHECK_MMAP(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int round = 0; round < 6; round++) {
        MIGRATE_POINT();
        CHECK_SYS(mprotect(a, 4 * PAGE, PROT_READ | PROT_WRITE));
        CHECK_SYS(mprotect(c, 4 * PAGE, PROT_READ | PROT_WRITE));
        for (int i = 0; i < 4; i++) a[i * PAGE + round] = c[i * PAGE + round] = (char)(round * 4 + i + 1);
        CHECK_SYS(mprotect(a, 2 * PAGE, round % 2 ? PROT_NONE : PROT_READ));
        CHECK_SYS(mprotect(c + PAGE, 2 * PAGE, PROT_READ));
        MIGRATE_POINT();
        for (int r = 0; r <= round; r++)
            for (int i = 0; i < 4; i++) {
                CHECK_EQ(b[i * PAGE + r], r * 4 + i + 1);
                CHECK_EQ(c[i * PAGE + r], r * 4 + i + 1);
                if (i >= 2 || round % 2 == 0) CHECK_EQ(a[i * PAGE + r], r * 4 + i + 1);
            }
    }
    CHECK_ERRNO(mprotect((void*)(uintptr_t)b, PAGE, PROT_READ | PROT_WRITE | 0x40000000), EINVAL);
    test_done();
}
