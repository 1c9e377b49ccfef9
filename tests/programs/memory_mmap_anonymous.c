// Anonymous maps: fixed, hinted, unmapped in the middle, refused where taken.
#include "pmi_test.h"
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
enum { PAGE = 4096, ANON = MAP_PRIVATE | MAP_ANONYMOUS };
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0));
    for (int i = 0; i < 16; i++) p[i * PAGE] = (char)(i + 1);
    CHECK_SYS(munmap(p + 4 * PAGE, 2 * PAGE));
    MIGRATE_POINT();
    CHECK_ERRNO(msync(p + 4 * PAGE, PAGE, MS_ASYNC), ENOMEM);
    for (int i = 0; i < 16; i++)
        if (i != 4 && i != 5) CHECK_EQ(p[i * PAGE], i + 1);
    CHECK(mmap(p + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + 4 * PAGE);
    CHECK(mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, EEXIST);
    MIGRATE_POINT();
    CHECK_EQ(p[4 * PAGE], 0);
    p[4 * PAGE] = 9;
    CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0) == p);
    MIGRATE_POINT();
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[4 * PAGE], 9);
    CHECK(mmap(NULL, 0, PROT_READ, ANON, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, EINVAL);
    CHECK_SYS(munmap(p, 16 * PAGE));  // holes are no error
    test_done();
}
