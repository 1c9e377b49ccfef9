// Code written at run time, in an RWX page and in a page flipped by mprotect, changed again after points.
#include "pmi_test.h"
typedef int Function(void);
static void emit(unsigned char* at, int value) {
    *at++ = 0xb8;  // mov $value,%eax
    memcpy(at, &value, 4);
    at[4] = 0xc3;  // ret
}
int main(void) {
    unsigned char* rwx = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rwx == MAP_FAILED) test_skip("no writable and executable memory");
    unsigned char* flip = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 4; i++) {
        emit(rwx, 1000 + i);
        CHECK_SYS(mprotect(flip, 4096, PROT_READ | PROT_WRITE));
        emit(flip, 2000 + i);
        CHECK_SYS(mprotect(flip, 4096, PROT_READ | PROT_EXEC));
        CHECK_EQ(((Function*)(void*)rwx)(), 1000 + i);
        MIGRATE_POINT();
        CHECK_EQ(((Function*)(void*)rwx)(), 1000 + i);
        CHECK_EQ(((Function*)(void*)flip)(), 2000 + i);
    }
    test_done();
}
