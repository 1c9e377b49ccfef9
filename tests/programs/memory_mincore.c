// mincore: touched pages are resident, a hole in the address space is ENOMEM.
#include "pmi_test.h"
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 1, 16 * 4096);
    unsigned char resident[16] = {0};
    CHECK_SYS(mincore(p, 16 * 4096, resident));
    MIGRATE_POINT();
    for (int i = 0; i < 16; i++) CHECK_EQ(p[i * 4096], 1);
    CHECK_SYS(mincore(p, 16 * 4096, resident));
    for (int i = 0; i < 16; i++) CHECK(resident[i] & 1);
    CHECK_SYS(munmap(p + 4096, 4096));
    MIGRATE_POINT();
    CHECK_ERRNO(mincore(p, 3 * 4096, resident), ENOMEM);
    CHECK_ERRNO(mincore(p + 1, 4096, resident), EINVAL);
    test_done();
}
