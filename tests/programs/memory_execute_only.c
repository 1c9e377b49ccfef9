// Code that may be executed, but not read: where the CPU has protection keys the kernel uses one of them for it, and the program
// has asked for none.
#include "pmi_test.h"
static int call(const void* code) {
    int (*function)(void);
    memcpy(&function, &code, sizeof function);
    return function();
}
int main(void) {
    static const unsigned char kReturn42[] = {0xb8, 42, 0, 0, 0, 0xc3};
    void* code = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(code, kReturn42, sizeof kReturn42);
    CHECK_ZERO(mprotect(code, 4096, PROT_EXEC));
    for (int round = 0; round < 4; round++) {
        MIGRATE_POINT();
        CHECK_EQ(call(code), 42);
    }
    CHECK_ZERO(mprotect(code, 4096, PROT_READ | PROT_EXEC));
    CHECK_ZERO(memcmp(code, kReturn42, sizeof kReturn42));
    CHECK_EQ(call(code), 42);
    test_done();
}
