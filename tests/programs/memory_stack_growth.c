// Deep recursion grows the stack by megabytes, before and after points.
#include "pmi_test.h"
static int depth_point;
static long __attribute__((noinline)) dive(int depth) {
    volatile char frame[4096];
    for (int i = 0; i < 4096; i += 512) frame[i] = (char)(depth + i);
    if (depth == depth_point) MIGRATE_POINT();
    long below = depth > 0 ? dive(depth - 1) : 0;
    for (int i = 0; i < 4096; i += 512) CHECK_EQ(frame[i], (char)(depth + i));
    return below + 1;
}
int main(void) {
    depth_point = 30;
    CHECK_EQ(dive(100), 101);
    depth_point = 0;
    CHECK_EQ(dive(500), 501);
    MIGRATE_POINT();
    depth_point = 700;
    CHECK_EQ(dive(1400), 1401);
    MIGRATE_POINT();
    depth_point = -1;
    CHECK_EQ(dive(1500), 1501);
    test_done();
}
