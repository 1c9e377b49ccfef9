// A three second sleep of a program with one thread: nothing but the sleep itself.
#include "pmi_test.h"
int main(void) {
    int64_t start = now_ns();
    struct timespec length = {3, 0};
    CHECK_SYS(nanosleep(&length, NULL));
    CHECK_ELAPSED(start, 3000);
    test_done();
}
