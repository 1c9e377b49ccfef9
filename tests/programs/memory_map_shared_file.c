// A shared writable file map and the file are one: stores are read by pread, pwrite shows in memory, msync
// works.
#include "pmi_test.h"
enum { PAGE = 4096 };
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, 4 * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memcpy(p + 100, "stored", 6);
    MIGRATE_POINT();
    char text[8] = {0};
    CHECK_EQ(pread(fd, text, 6, 100), 6);
    CHECK_STR(text, "stored");
    CHECK_EQ(pwrite(fd, "written", 7, PAGE), 7);
    CHECK(memcmp(p + PAGE, "written", 7) == 0);
    MIGRATE_POINT();
    CHECK(memcmp(p + PAGE, "written", 7) == 0);
    memcpy(p + 3 * PAGE, "synced", 6);
    CHECK_SYS(msync(p, 4 * PAGE, MS_SYNC));
    CHECK_SYS(munmap(p, 4 * PAGE));
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, text, 6, 3 * PAGE), 6);
    CHECK_STR(text, "synced");
    test_done();
}
