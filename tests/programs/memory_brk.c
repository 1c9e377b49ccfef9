// sbrk grows and shrinks the heap, and its contents stay.
#include "pmi_test.h"
int main(void) {
    char* start = sbrk(0);
    CHECK(start != (void*)-1);
    CHECK(sbrk(1 << 20) == start);
    for (int i = 0; i < 1 << 20; i++) start[i] = (char)(i % 127);
    MIGRATE_POINT();
    CHECK(sbrk(0) == start + (1 << 20));
    CHECK(sbrk(1 << 20) == start + (1 << 20));
    for (int i = 0; i < 1 << 20; i++) CHECK_EQ(start[i], i % 127);
    for (int i = 1 << 20; i < 2 << 20; i++) CHECK_EQ(start[i], 0);
    MIGRATE_POINT();
    CHECK(sbrk(-(2 << 20)) == start + (2 << 20));
    CHECK(sbrk(0) == start);
    CHECK_EQ(syscall(SYS_brk, 0), (long)start);
    MIGRATE_POINT();
    CHECK(sbrk(8192) == start);
    for (int i = 0; i < 8192; i++) CHECK_EQ(start[i], 0);  // given back pages come back empty
    test_done();
}
