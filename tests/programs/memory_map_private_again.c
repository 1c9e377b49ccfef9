// What the program has written through a private mapping of a file is in that mapping alone: given back with MADV_DONTNEED, and in
// other mappings of the same place, there is the file.
#include "pmi_test.h"
enum { PAGE = 4096, PAGES = 8, GIVEN_BACK = 2, WRITTEN = 3, GIVEN_BACK_LATER = 5 };
static char expected(int page) { return (char)('a' + page); }
static void check_file(const char* p, int page) {
    CHECK_EQ(p[(long)page * PAGE], expected(page));
    CHECK_EQ(p[(long)page * PAGE + PAGE - 1], expected(page));
}
static char* map(int fd, int protection, int flags) {
    return CHECK_MMAP(mmap(NULL, PAGES * PAGE, protection, flags, fd, 0));
}
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    char block[PAGE];
    for (int i = 0; i < PAGES; i++) {
        memset(block, expected(i), PAGE);
        write_all(fd, block, PAGE);
    }
    CHECK_SYS(unlink("file"));
    char* p = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    for (int i = GIVEN_BACK; i <= GIVEN_BACK_LATER; i++) p[(long)i * PAGE] = 'X';
    MIGRATE_POINT();
    CHECK_SYS(madvise(p + (long)GIVEN_BACK * PAGE, PAGE, MADV_DONTNEED));
    check_file(p, GIVEN_BACK);
    char* others[] = {map(fd, PROT_READ, MAP_PRIVATE), map(fd, PROT_READ, MAP_SHARED)};
    for (int i = 0; i < PAGES; i++)
        for (int n = 0; n < 2; n++) check_file(others[n], i);
    MIGRATE_POINT();
    CHECK_EQ(p[(long)WRITTEN * PAGE], 'X');
    CHECK_SYS(madvise(p + (long)GIVEN_BACK_LATER * PAGE, PAGE, MADV_DONTNEED));
    check_file(p, GIVEN_BACK_LATER);
    for (int i = 0; i < PAGES; i++)
        for (int n = 0; n < 2; n++) check_file(others[n], i);
    MIGRATE_POINT();
    check_file(p, GIVEN_BACK);
    check_file(p, GIVEN_BACK_LATER);
    for (int i = 0; i < PAGES; i++) {
        if (i > GIVEN_BACK && i < GIVEN_BACK_LATER) CHECK_EQ(p[(long)i * PAGE], 'X');
        for (int n = 0; n < 2; n++) check_file(others[n], i);
    }
    test_done();
}
