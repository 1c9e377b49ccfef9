// xmm and ymm registers hold their values while the thread is blocked and while it computes.
#include "pmi_test.h"
#define LOAD(n) "vmovdqu " #n "*32(%0), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%1)\n\t"
#define XLOAD(n) "movdqu " #n "*32(%0), %%xmm" #n "\n\t"
#define XSTORE(n) "movdqu %%xmm" #n ", " #n "*32(%1)\n\t"
#define ALL(what)                                                                                                                \
    what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) what(11) what(12) what(13) what(14) \
        what(15)
#define CLOBBERED                                                                                                                \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", \
        "xmm15", "rax", "rcx", "r11", "memory"
int main(void) {
    static unsigned char in[512], out[512];
    bool avx = __builtin_cpu_supports("avx");
    for (int round = 0; round < 6; round++) {
        uint64_t seed = 31 + (uint64_t)round;
        for (int i = 0; i < 512; i++) in[i] = (unsigned char)next_random(&seed);
        memset(out, 0, sizeof out);
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 5);
        struct timespec length = {0, 80 * NSEC_PER_MSEC};
        uint64_t spins = 100000000;
        if (round % 2 == 0) {  // blocked in a call
            if (avx)
                __asm__ volatile(ALL(LOAD) "mov $35, %%eax\n\tsyscall\n\t" ALL(STORE) "vzeroupper"
                                 :
                                 : "r"(in), "r"(out), "D"(&length), "S"(NULL)
                                 : CLOBBERED);
            else
                __asm__ volatile(ALL(XLOAD) "mov $35, %%eax\n\tsyscall\n\t" ALL(XSTORE)
                                 :
                                 : "r"(in), "r"(out), "D"(&length), "S"(NULL)
                                 : CLOBBERED);
        } else {  // computing
            if (avx)
                __asm__ volatile(ALL(LOAD) "1: dec %2\n\tjnz 1b\n\t" ALL(STORE) "vzeroupper"
                                 :
                                 : "r"(in), "r"(out), "r"(spins)
                                 : CLOBBERED, "cc");
            else
                __asm__ volatile(ALL(XLOAD) "1: dec %2\n\tjnz 1b\n\t" ALL(XSTORE)
                                 :
                                 : "r"(in), "r"(out), "r"(spins)
                                 : CLOBBERED, "cc");
        }
        later_point_join(&later);
        for (int i = 0; i < 512; i++)
            if (avx || i % 32 < 16) CHECK_EQ(out[i], in[i]);
    }
    test_done();
}
