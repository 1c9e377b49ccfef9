// Guard pages inside a mapping: nobody gets at them, until they are removed; in a child of fork too, and in locked memory.
#include "guard_pages.h"
enum { kPages = 16 };
static char* pages;
static bool is_guard(int i) { return i >= 8 && i < 12; }
static void check_all(void) {
    for (int i = 0; i < kPages; i++) CHECK_EQ(guard_may_load(pages + i * 4096), !is_guard(i));
    CHECK_ERRNO(write(STDOUT_FILENO, pages + 9 * 4096, 1), EFAULT);
    CHECK_EQ(pages[5 * 4096], 3);
}
int main(void) {
    guard_catch_faults();
    pages = CHECK_MMAP(mmap(NULL, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(pages, 3, kPages * 4096);
    MIGRATE_POINT();
    guard_install(pages + 8 * 4096, 4 * 4096);
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        check_all();
    }
    CHECK_ZERO(madvise(pages, kPages * 4096, MADV_DONTNEED));  // which leaves them
    memset(pages, 3, 8 * 4096), memset(pages + 12 * 4096, 3, 4 * 4096);
    pid_t child = CHECK_SYS(fork());
    if (child == 0) {
        MIGRATE_POINT();
        check_all();
        CHECK_ZERO(madvise(pages + 8 * 4096, 4 * 4096, kGuardRemove));
        memset(pages + 8 * 4096, 4, 4 * 4096);
        MIGRATE_POINT();
        for (int i = 0; i < kPages; i++) CHECK_EQ(pages[i * 4096], is_guard(i) ? 4 : 3);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    bool locked = mlock(pages, kPages * 4096) == 0 || errno == ENOMEM;  // ENOMEM: it is locked, but for what can't be there
    MIGRATE_POINT();
    check_all();
    if (locked) CHECK_ZERO(munlock(pages, kPages * 4096));
    CHECK_ZERO(madvise(pages + 8 * 4096, 4 * 4096, kGuardRemove));
    MIGRATE_POINT();
    for (int i = 0; i < kPages; i++) CHECK_EQ(pages[i * 4096], is_guard(i) ? 0 : 3);
    memset(pages, 5, kPages * 4096);
    MIGRATE_POINT();
    for (int i = 0; i < kPages; i++) CHECK_EQ(pages[i * 4096 + 4095], 5);
    test_done();
}
