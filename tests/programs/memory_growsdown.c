// A MAP_GROWSDOWN area grows when touched below its start.
#include "pmi_test.h"
int main(void) {
    enum { PAGE = 4096 };
    char* hole = CHECK_MMAP(mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    CHECK_SYS(munmap(hole, 1024 * PAGE));
    char* top = hole + 1000 * PAGE;
    char* p = CHECK_MMAP(
        mmap(top, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0));
    CHECK(p == top);
    p[0] = 1;
    MIGRATE_POINT();
    for (int i = 1; i <= 20; i++) {
        *(volatile char*)(p - i * PAGE) = (char)i;
        if (i == 10) MIGRATE_POINT();
    }
    MIGRATE_POINT();
    for (int i = 1; i <= 20; i++) CHECK_EQ(p[-i * PAGE], i);
    CHECK_EQ(p[0], 1);
    test_done();
}
