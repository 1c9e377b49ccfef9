// clock_gettime through the vDSO, by raw call, gettimeofday and time agree.
#include "pmi_test.h"
int main(void) {
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 200; i++) {
            clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
            for (int c = 0; c < 3; c++) {
                struct timespec a, raw, b;
                CHECK_SYS(clock_gettime(clocks[c], &a));
                CHECK_EQ(raw_syscall(SYS_clock_gettime, clocks[c], (long)&raw, 0, 0, 0, 0), 0);
                CHECK_SYS(clock_gettime(clocks[c], &b));
                int64_t low = a.tv_sec * NSEC_PER_SEC + a.tv_nsec, high = b.tv_sec * NSEC_PER_SEC + b.tv_nsec;
                int64_t middle = raw.tv_sec * NSEC_PER_SEC + raw.tv_nsec;
                CHECK(low <= middle && middle <= high);
            }
            struct timeval tv, raw_tv;
            CHECK_SYS(gettimeofday(&tv, NULL));
            CHECK_EQ(raw_syscall(SYS_gettimeofday, (long)&raw_tv, 0, 0, 0, 0, 0), 0);
            int64_t difference = (raw_tv.tv_sec - tv.tv_sec) * 1000000 + raw_tv.tv_usec - tv.tv_usec;
            CHECK(difference >= 0 && difference < 2000000);
            time_t now = time(NULL);
            CHECK(now >= tv.tv_sec - 1 && now <= tv.tv_sec + 2);
        }
        struct timespec resolution;
        CHECK_SYS(clock_getres(CLOCK_MONOTONIC, &resolution));
        CHECK_EQ(resolution.tv_sec, 0);
        CHECK(resolution.tv_nsec > 0 && resolution.tv_nsec <= 10 * NSEC_PER_MSEC);
        MIGRATE_POINT();
    }
    test_done();
}
