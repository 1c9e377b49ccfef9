// What is stored in a shared map of a file is in the file: after msync, after munmap, and though nobody has the file
// open any more; a map made later shows it.
#include "pmi_test.h"
enum { PAGE = 4096 };
static char* map_file(const char* name, size_t pages, int open_flags, int prot) {
    int fd = (int)CHECK_SYS(open(name, open_flags, 0600));
    if (open_flags & O_CREAT) CHECK_SYS(ftruncate(fd, (long)pages * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, pages * PAGE, prot, MAP_SHARED, fd, 0));
    CHECK_SYS(close(fd));
    return p;
}
static void expect_in_file(const char* name, long at, const char* text) {
    char got[32] = {0};
    int fd = (int)CHECK_SYS(open(name, O_RDONLY));
    CHECK_EQ(pread(fd, got, strlen(text), at), (long)strlen(text));
    CHECK_SYS(close(fd));
    CHECK_STR(got, text);
}
int main(void) {
    enter_scratch();
    char* a = map_file("a", 4, O_RDWR | O_CREAT, PROT_READ | PROT_WRITE);
    strcpy(a, "before");
    MIGRATE_POINT();
    CHECK_STR(a, "before");
    strcpy(a + PAGE, "stored");
    expect_in_file("a", PAGE, "stored");
    strcpy(a + 2 * PAGE, "synced");
    CHECK_SYS(msync(a, 4 * PAGE, MS_SYNC));
    expect_in_file("a", 2 * PAGE, "synced");
    CHECK_ERRNO(msync(a + 1, PAGE, MS_SYNC), EINVAL);
    strcpy(a + 3 * PAGE, "unmapped");
    CHECK_SYS(munmap(a, 4 * PAGE));
    expect_in_file("a", 3 * PAGE, "unmapped");
    MIGRATE_POINT();
    expect_in_file("a", 0, "before");
    expect_in_file("a", PAGE, "stored");
    expect_in_file("a", 3 * PAGE, "unmapped");

    char* b = map_file("b", 2, O_RDWR | O_CREAT, PROT_READ | PROT_WRITE);
    const char* seen = map_file("b", 2, O_RDONLY, PROT_READ);
    strcpy(b, "two maps");
    CHECK_STR(seen, "two maps");
    MIGRATE_POINT();
    strcpy(b + PAGE, "of one file");
    CHECK_STR(seen + PAGE, "of one file");
    CHECK_SYS(munmap(b, 2 * PAGE));
    CHECK_STR(seen + PAGE, "of one file");
    b = map_file("b", 2, O_RDWR, PROT_READ | PROT_WRITE);
    CHECK_STR(b, "two maps");
    strcpy(b, "a third");
    MIGRATE_POINT();
    CHECK_STR(seen, "a third");
    expect_in_file("b", 0, "a third");
    expect_in_file("b", PAGE, "of one file");
    // A private map of it keeps its own stores to itself.
    int fd = (int)CHECK_SYS(open("b", O_RDWR));
    char* own = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK_SYS(close(fd));
    CHECK_STR(own, "a third");
    strcpy(own, "private");
    MIGRATE_POINT();
    CHECK_STR(own, "private");
    CHECK_STR(seen, "a third");
    expect_in_file("b", 0, "a third");
    test_done();
}
