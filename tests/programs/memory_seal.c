// Memory that was sealed can be written, but not unmapped, moved, mapped anew or protected otherwise. (May keep its program home.)
#include "pmi_test.h"
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
enum { PAGE = 4096 };
static void expect_sealed(char* area) {
    CHECK_ERRNO(munmap(area, PAGE), EPERM);
    CHECK_ERRNO(mprotect(area, PAGE, PROT_READ), EPERM);
    CHECK(mremap(area, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EPERM);
    CHECK(mmap(area, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
}
int main(void) {
    char* areas = CHECK_MMAP(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(areas, 'a', 3 * PAGE);
    if (syscall(SYS_mseal, areas, 0, 0) == -1 && errno == ENOSYS) test_skip("no mseal");
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_mseal, areas + PAGE, PAGE, 0));  // makes three mappings of one
    for (int i = 0; i < 3; i++) {
        expect_sealed(areas + PAGE);
        CHECK_EQ(areas[PAGE], 'a' + i);
        areas[PAGE]++;
        MIGRATE_POINT();
    }
    CHECK_SYS(munmap(areas, PAGE));
    CHECK_SYS(mprotect(areas + 2 * PAGE, PAGE, PROT_READ));
    expect_sealed(areas + PAGE);
    test_done();
}
