// The heap grows to where something else was when the program left.
#include "pmi_test.h"
int main(void) {
    char* end = sbrk(0);
    end = (char*)(((uintptr_t)end + 4095) & ~4095UL);
    CHECK_SYS(brk(end));
    char* m = mmap(end + 65536, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(m == end + 65536);
    m[0] = 1;
    MIGRATE_POINT();
    CHECK_EQ(m[0], 1);
    CHECK_SYS(munmap(m, 65536));
    CHECK(sbrk(1 << 20) == (void*)end);
    memset(end, 9, 1 << 20);
    MIGRATE_POINT();
    for (int i = 0; i < 1 << 20; i += 4096) CHECK_EQ(end[i], 9);
    char* now = (char*)raw_syscall(SYS_brk, 0, 0, 0, 0, 0, 0);
    if (now != end + (1 << 20)) FAIL("the heap ends %ld bytes behind where it began, not %d", (long)(now - end), 1 << 20);
    CHECK((char*)raw_syscall(SYS_brk, (long)(end + (2 << 20)), 0, 0, 0, 0, 0) == end + (2 << 20));
    memset(end, 8, 2 << 20);
    MIGRATE_POINT();
    for (int i = 0; i < 2 << 20; i += 4096) CHECK_EQ(end[i], 8);
    CHECK((char*)raw_syscall(SYS_brk, (long)end, 0, 0, 0, 0, 0) == end);
    MIGRATE_POINT();
    CHECK((char*)raw_syscall(SYS_brk, 0, 0, 0, 0, 0, 0) == end);
    test_done();
}
