// A three second poll of a program with one thread.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    struct pollfd set = {p[0], POLLIN, 0};
    int64_t start = now_ns();
    CHECK_EQ(poll(&set, 1, 3000), 0);
    CHECK_ELAPSED(start, 3000);
    CHECK_EQ(set.revents, 0);
    test_done();
}
