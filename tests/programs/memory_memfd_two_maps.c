// Two maps of one memfd are the same memory at two addresses, over points too (as JIT compilers do).
#include "pmi_test.h"
int main(void) {
    int fd = (int)CHECK_SYS(memfd_create("twice", 0));
    CHECK_SYS(ftruncate(fd, 16384));
    volatile char* a = CHECK_MMAP(mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    volatile char* b = CHECK_MMAP(mmap(NULL, 16384, PROT_READ, MAP_SHARED, fd, 0));
    CHECK_SYS(close(fd));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 16384; i += 64) a[i] = (char)(i / 64 + round);
        MIGRATE_POINT();
        for (int i = 0; i < 16384; i += 64) CHECK_EQ(b[i], (char)(i / 64 + round));
    }
    test_done();
}
