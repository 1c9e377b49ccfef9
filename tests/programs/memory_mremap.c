// mremap: growing in place or moved, shrinking, to a fixed place; contents come along.
#include "pmi_test.h"
enum { PAGE = 4096 };
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 8; i++) memset(p + i * PAGE, i + 1, PAGE);
    MIGRATE_POINT();
    char* q = CHECK_MMAP(mremap(p, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE));
    for (int i = 0; i < 8; i++) CHECK_EQ(q[i * PAGE + 99], i + 1);
    CHECK_EQ(q[40 * PAGE], 0);
    q[63 * PAGE] = 77;
    MIGRATE_POINT();
    char* place = CHECK_MMAP(mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(mremap(q, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    CHECK_ERRNO(msync(q, PAGE, MS_ASYNC), ENOMEM);
    MIGRATE_POINT();
    CHECK_EQ(place[63 * PAGE], 77);
    CHECK(mremap(place, 64 * PAGE, 2 * PAGE, 0) == place);
    CHECK_ERRNO(msync(place + 2 * PAGE, PAGE, MS_ASYNC), ENOMEM);
    MIGRATE_POINT();
    CHECK_EQ(place[2 * PAGE - 1], 2);
    CHECK(mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_EQ(errno, EFAULT);
    test_done();
}
