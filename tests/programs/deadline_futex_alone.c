// A relative futex wait of three seconds in a program with one thread.
#include "pmi_test.h"
int main(void) {
    static uint32_t word = 5;
    struct timespec limit = {3, 0};
    int64_t start = now_ns();
    CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &limit, NULL, 0), ETIMEDOUT);
    CHECK_ELAPSED(start, 3000);
    test_done();
}
