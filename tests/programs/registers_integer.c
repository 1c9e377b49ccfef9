// All general registers and flags hold their values over a system call that takes long.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    for (int round = 0; round < 3; round++) {
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 10);
        struct timespec length = {0, 150 * NSEC_PER_MSEC};
        uint64_t in[6] = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333,
                          0x4444444444444444, 0x5555555555555555, 0x6666666666666666};
        uint64_t out[6], flags, result;
        __asm__ volatile(
            "push %%rbp\n\t"
            "mov 0(%[in]), %%rbx\n\t"
            "mov 8(%[in]), %%r12\n\t"
            "mov 16(%[in]), %%r13\n\t"
            "mov 24(%[in]), %%r14\n\t"
            "mov 32(%[in]), %%r8\n\t"
            "mov 40(%[in]), %%r9\n\t"
            "mov %%rbx, %%rbp\n\t"
            "std\n\t"
            "stc\n\t"
            "syscall\n\t"
            "pushf\n\t"
            "cld\n\t"
            "cmp %%rbx, %%rbp\n\t"
            "jne 2f\n\t"
            "mov %%rbx, 0(%[out])\n\t"
            "2:\n\t"
            "mov %%r12, 8(%[out])\n\t"
            "mov %%r13, 16(%[out])\n\t"
            "mov %%r14, 24(%[out])\n\t"
            "mov %%r8, 32(%[out])\n\t"
            "mov %%r9, 40(%[out])\n\t"
            "pop %%rcx\n\t"
            "pop %%rbp\n\t"
            : "=a"(result), "=c"(flags)
            : "a"(SYS_nanosleep), "D"(&length), "S"(NULL), [in] "r"(in), [out] "d"(out)
            : "rbx", "r8", "r9", "r11", "r12", "r13", "r14", "memory", "cc");
        CHECK_EQ(result, 0);
        for (int i = 0; i < 6; i++) CHECK_EQ(out[i], in[i]);
        CHECK_EQ(flags & 0x401, 0x401);  // direction and carry
        later_point_join(&later);
    }
    test_done();
}
