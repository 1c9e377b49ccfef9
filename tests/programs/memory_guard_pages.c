// Guard pages inside a mapping (MADV_GUARD_INSTALL, Linux 6.13): nobody gets at them, until they are removed. (A program that has
// some stays home.)
#include "pmi_test.h"
#include <setjmp.h>
enum { kInstall = 102, kRemove = 103, kPages = 16 };
static sigjmp_buf env;
static void on_fault(int signal) {
    (void)signal;
    siglongjmp(env, 1);
}
static bool may_load(volatile char* at) {
    if (sigsetjmp(env, 1)) return false;
    return *at >= 0;
}
int main(void) {
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    char* pages = CHECK_MMAP(mmap(NULL, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(pages, 3, kPages * 4096);
    MIGRATE_POINT();
    if (madvise(pages + 8 * 4096, 4 * 4096, kInstall) != 0) test_skip("no guard pages");
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        for (int i = 0; i < kPages; i++) CHECK_EQ(may_load(pages + i * 4096), i < 8 || i >= 12);
        CHECK_ERRNO(write(STDOUT_FILENO, pages + 9 * 4096, 1), EFAULT);
        CHECK_EQ(pages[5], 3);
    }
    CHECK_ZERO(madvise(pages + 8 * 4096, 4 * 4096, kRemove));
    MIGRATE_POINT();
    for (int i = 0; i < kPages; i++) CHECK_EQ(pages[i * 4096], i < 8 || i >= 12 ? 3 : 0);
    test_done();
}
