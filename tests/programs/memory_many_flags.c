// Hundreds of mappings that are locked, and hundreds with advice of five kinds each.
#include "locked_memory.h"
enum { N = 1400, PAGE = 4096 };
int main(void) {
    static const int kAdvice[] = {MADV_HUGEPAGE, MADV_DONTDUMP, MADV_DONTFORK, MADV_WIPEONFORK, MADV_RANDOM};
    char* p = CHECK_MMAP(mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char* a = CHECK_MMAP(mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 1, N * PAGE);
    int is_locked = mlock(p, N * PAGE) == 0;  // an ordinary user may lock 8 MiB, mostly
    for (int i = 0; i < N; i += 2) {
        CHECK_SYS(mprotect(p + i * PAGE, PAGE, PROT_READ));
        for (int j = 0; j < 5; j++) CHECK_SYS(madvise(a + i * PAGE, PAGE, kAdvice[j]));
        a[i * PAGE] = (char)i;
    }
    long before = locked_kb();
    CHECK(!is_locked || before >= N * PAGE / 1024);
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        for (int i = 0; i < N; i++) CHECK_EQ(p[i * PAGE], 1);
        for (int i = 0; i < N; i += 2) CHECK_EQ(a[i * PAGE], (char)i);
        CHECK_EQ(locked_kb(), before);
    }
    test_done();
}
