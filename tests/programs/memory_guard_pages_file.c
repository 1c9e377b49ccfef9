// Guard pages in a private mapping of a file (Linux 6.15). (A program that has some stays home.)
#include "guard_pages.h"
int main(void) {
    guard_catch_faults();
    char path[] = "/tmp/guard-XXXXXX";
    int file = CHECK_SYS(mkstemp(path));
    CHECK_SYS(unlink(path));
    CHECK_SYS(ftruncate(file, 4 * 4096));
    CHECK_EQ(pwrite(file, "there", 5, 2 * 4096), 5);
    char* pages = CHECK_MMAP(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    MIGRATE_POINT();
    guard_install(pages + 2 * 4096, 4096);
    for (int round = 0; round < 2; round++) {
        MIGRATE_POINT();
        for (int i = 0; i < 4; i++) CHECK_EQ(guard_may_load(pages + i * 4096), i != 2);
    }
    CHECK_ZERO(madvise(pages + 2 * 4096, 4096, kGuardRemove));
    MIGRATE_POINT();
    CHECK_ZERO(memcmp(pages + 2 * 4096, "there", 5));
    test_done();
}
