// madvise: DONTNEED empties, DONTFORK and WIPEONFORK act in the child, others change nothing.
#include "pmi_test.h"
enum { PAGE = 4096 };
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 'd', 8 * PAGE);
    CHECK_SYS(madvise(p, PAGE, MADV_DONTNEED));
    MIGRATE_POINT();
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[PAGE], 'd');
    CHECK_SYS(madvise(p + 2 * PAGE, PAGE, MADV_WILLNEED));
    CHECK_SYS(madvise(p + 3 * PAGE, PAGE, MADV_WIPEONFORK));
    CHECK_SYS(madvise(p + 5 * PAGE, PAGE, MADV_DONTFORK));
    MIGRATE_POINT();
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        CHECK_EQ(p[PAGE], 'd');
        CHECK_EQ(p[3 * PAGE], 0);
        CHECK_ERRNO(msync(p + 5 * PAGE, PAGE, MS_ASYNC), ENOMEM);
        CHECK_EQ(p[6 * PAGE], 'd');
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    CHECK_EQ(p[3 * PAGE], 'd');
    CHECK_EQ(p[5 * PAGE], 'd');
    MIGRATE_POINT();
    CHECK_SYS(madvise(p, 8 * PAGE, MADV_DONTNEED));
    for (int i = 0; i < 8 * PAGE; i += 512) CHECK_EQ(p[i], 0);
    CHECK_ERRNO(madvise(p, PAGE, 9999), EINVAL);
    test_done();
}
