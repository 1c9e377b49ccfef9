// Memory that is mapped beside older memory is one mapping with it, however often the program moves in between: mremap takes both.
#include "pmi_test.h"
enum { PAGE = 4096, PART = 16 * PAGE };

static void fill(char* at, int value) {
    for (int i = 0; i < PART; i += PAGE) memset(at + i, value + i / PAGE, PAGE);
}
static void check(const char* at, int value) {
    for (int i = 0; i < PART; i++) CHECK_EQ(at[i], value + i / PAGE);
}

int main(void) {
    char* place = CHECK_MMAP(mmap(NULL, 8 * PART, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_SYS(munmap(place, 8 * PART));
    char* old = CHECK_MMAP(mmap(place, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    fill(old, 1);
    MIGRATE_POINT();
    char* young =
        CHECK_MMAP(mmap(place + PART, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    fill(young, 41);
    char* both = CHECK_MMAP(mremap(old, 2 * PART, 3 * PART, MREMAP_MAYMOVE));
    check(both, 1);
    check(both + PART, 41);
    CHECK_EQ(both[2 * PART], 0);
    fill(both + 2 * PART, 81);
    MIGRATE_POINT();
    char* target = CHECK_MMAP(mmap(NULL, 4 * PART, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(mremap(both, 3 * PART, 4 * PART, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    CHECK_ERRNO(msync(both, PAGE, MS_ASYNC), ENOMEM);
    MIGRATE_POINT();
    check(target, 1);
    check(target + PART, 41);
    check(target + 2 * PART, 81);
    CHECK_EQ(target[3 * PART], 0);
    // Natively two mappings are not one.
    CHECK_SYS(mprotect(target + PART, PART, PROT_READ));
    CHECK(mremap(target, 2 * PART, 3 * PART, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_EQ(errno, EFAULT);
    test_done();
}
