// A handler reached at any instruction restores every register: a loop in registers under a fast timer stays
// exact.
#include "pmi_test.h"
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    volatile double d = 1.5;  // dirties what the handler may dirty
    d = d * 3.25 + (double)ticks;
    ticks++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 500}, {0, 500}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    uint64_t expected = 0;
    for (int round = 0; round < 8; round++) {
        uint64_t a = 1, b = 2, c = 3, n = 5000000;
        double x = 1.0;
        __asm__ volatile(
            "1: lea 1(%0,%1,2), %0\n\t"
            "xor %0, %2\n\t"
            "rol $7, %2\n\t"
            "add %2, %1\n\t"
            "addsd %4, %4\n\t"
            "mulsd %5, %4\n\t"
            "dec %3\n\t"
            "jnz 1b"
            : "+r"(a), "+r"(b), "+r"(c), "+r"(n), "+x"(x)
            : "x"(0.5)
            : "cc");
        CHECK(x == 1.0);
        if (round == 0) expected = a ^ b ^ c;
        CHECK((a ^ b ^ c) == expected);
        MIGRATE_POINT();
    }
    CHECK(ticks > 0);
    test_done();
}
