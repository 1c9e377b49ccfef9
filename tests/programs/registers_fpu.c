// x87 stack, its control word, and mxcsr: contents, rounding modes and flags are kept.
#include "pmi_test.h"
#include <fenv.h>
int main(void) {
    unsigned mxcsr, expected = 0x1f80 | 0x6000 | 0x8000;  // round to zero, flush to zero
    unsigned short control = 0x0c7f | 0x0300, got_control;
    __asm__ volatile("ldmxcsr %0" : : "m"(expected));
    __asm__ volatile("fldcw %0" : : "m"(control));
    MIGRATE_POINT();
    for (int round = 0; round < 3; round++) {
        double result[3];
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 5);
        struct timespec length = {0, 60 * NSEC_PER_MSEC};
        __asm__ volatile(
            "fldpi\n\tfldl2e\n\tfld1\n\t"
            "mov $35, %%eax\n\tsyscall\n\t"
            "fstpl (%0)\n\tfstpl 8(%0)\n\tfstpl 16(%0)"
            :
            : "r"(result), "D"(&length), "S"(NULL)
            : "rax", "rcx", "r11", "memory");
        later_point_join(&later);
        CHECK(result[0] == 1.0);
        CHECK(result[1] > 1.44269504 && result[1] < 1.44269505);
        CHECK(result[2] > 3.14159265 && result[2] < 3.14159266);
        __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
        __asm__ volatile("fnstcw %0" : "=m"(got_control));
        CHECK_EQ(mxcsr & 0xffc0, expected);
        CHECK_EQ(got_control, control);
        volatile double one = 1.0, three = 3.0;
        volatile double third = one / three;
        CHECK(third * 3.0 < 1.0);  // truncated, not rounded up
        MIGRATE_POINT();
    }
    CHECK_EQ(fegetround(), FE_TOWARDZERO);
    test_done();
}
