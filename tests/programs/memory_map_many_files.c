// More mapped files than one message carries descriptors; none of them is open any more, and some come while others go.
#include "pmi_test.h"
enum { PAGE = 4096, FILES = 600, KEPT = 300 };
static char* pages[FILES];
static void map_one(int n) {
    char name[32], block[PAGE];
    snprintf(name, sizeof name, "file%d", n);
    int fd = (int)CHECK_SYS(open(name, O_RDWR | O_CREAT, 0600));
    memset(block, 0, sizeof block);
    snprintf(block, sizeof block, "this is file %d", n);
    write_all(fd, block, sizeof block);
    pages[n] = CHECK_MMAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK_SYS(close(fd));
}
static void check_one(int n) {
    char expected[64];
    snprintf(expected, sizeof expected, "this is file %d", n);
    CHECK_EQ(strcmp(pages[n], expected), 0);
    CHECK_EQ(pages[n][PAGE - 1], n % 3 == 0 ? 'w' : 0);
}
static void write_thirds(int from, int to) {
    for (int n = from; n < to; n++)
        if (n % 3 == 0) pages[n][PAGE - 1] = 'w';
}
int main(void) {
    enter_scratch();
    for (int n = 0; n < KEPT; n++) map_one(n);
    write_thirds(0, KEPT);
    MIGRATE_POINT();
    for (int n = 0; n < KEPT; n++) check_one(n);
    for (int n = KEPT; n < FILES; n++) map_one(n);
    write_thirds(KEPT, FILES);
    for (int n = 0; n < KEPT; n += 2) CHECK_SYS(munmap(pages[n], PAGE));
    MIGRATE_POINT();
    for (int n = 1; n < KEPT; n += 2) check_one(n);
    MIGRATE_POINT();
    for (int n = KEPT; n < FILES; n++) check_one(n);
    test_done();
}
