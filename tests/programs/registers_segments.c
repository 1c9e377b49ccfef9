// The FS and GS bases: TLS through %fs, a GS base of one's own by arch_prctl.
#include "pmi_test.h"
#include <asm/prctl.h>
static uint64_t area[4] = {0xaaaa, 0xbbbb, 0xcccc, 0xdddd};
static void* thread_main(void* argument) {
    static uint64_t other[2] = {0x77, 0x88};
    CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, other));
    MIGRATE_POINT();
    uint64_t value;
    __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
    CHECK_EQ(value, 0x88);
    return argument;
}
int main(void) {
    unsigned long fs, gs;
    CHECK_SYS(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    CHECK_SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, area));
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        uint64_t value;
        __asm__ volatile("mov %%gs:16, %0" : "=r"(value));
        CHECK_EQ(value, 0xcccc);
        CHECK_SYS(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
        CHECK_EQ(gs, (uintptr_t)area);
        unsigned long now;
        CHECK_SYS(syscall(SYS_arch_prctl, ARCH_GET_FS, &now));
        CHECK_EQ(now, fs);
        __asm__ volatile("mov %%fs:0, %0" : "=r"(now));
        CHECK_EQ(now, fs);
        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, NULL, thread_main, NULL));
        CHECK_ZERO(pthread_join(thread, NULL));
    }
    test_done();
}
