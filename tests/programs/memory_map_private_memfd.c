// A private mapping of a file that no inotify tells of (a memfd, from Linux 6.14 on): what is written into the file shows
// in the pages that were not stored in, before and after.
#include "pmi_test.h"
enum { PAGE = 4096, ROUNDS = 6 };
static void check(const volatile char* p, char own, char files) {
    CHECK_EQ(p[0], own);
    CHECK_EQ(p[PAGE], files);
}
int main(void) {
    int fd = (int)CHECK_SYS(memfd_create("private", MFD_CLOEXEC));
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    p[0] = 'X';
    for (int round = 0; round < ROUNDS; round++) {
        char letter = (char)('a' + round);
        MIGRATE_POINT();
        CHECK_EQ(pwrite(fd, &letter, 1, PAGE), 1);
        check(p, 'X', letter);
        char* later = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
        letter = (char)('A' + round);
        CHECK_EQ(pwrite(fd, &letter, 1, PAGE), 1);
        check(p, 'X', letter);
        check(later, 0, letter);
        CHECK_SYS(munmap(later, 2 * PAGE));
        MIGRATE_POINT();
        check(p, 'X', letter);
    }
    test_done();
}
