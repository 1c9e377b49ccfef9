// MADV_HUGEPAGE and MADV_NOHUGEPAGE areas keep contents.
#include "pmi_test.h"
enum { SIZE = 8 << 20 };
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (madvise(p, SIZE, MADV_HUGEPAGE) == -1 && errno == EINVAL) test_skip("no transparent huge pages");
    CHECK_SYS(madvise(p + SIZE, SIZE, MADV_NOHUGEPAGE));
    for (size_t i = 0; i < 2 * SIZE; i += 512) p[i] = (char)(i >> 9);
    MIGRATE_POINT();
    for (size_t i = 0; i < 2 * SIZE; i += 512) CHECK_EQ(p[i], (char)(i >> 9));
    CHECK_SYS(munmap(p + SIZE / 2, 4096));  // splits a huge page
    MIGRATE_POINT();
    CHECK_EQ(p[SIZE / 2 - 512], (char)((SIZE / 2 - 512) >> 9));
    CHECK_EQ(p[SIZE / 2 + 4096], (char)((SIZE / 2 + 4096) >> 9));
    test_done();
}
