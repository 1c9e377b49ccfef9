// Clocks never go back and never jump by more than 2 s over points.
#include "pmi_test.h"
int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC,        CLOCK_BOOTTIME,        CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
                          CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE, CLOCK_TAI};
    int64_t last[7];
    for (int i = 0; i < 7; i++) last[i] = clock_ns(clocks[i]);
    for (int round = 0; round < 10; round++) {
        for (int k = 0; k < 2000; k++)
            for (int i = 0; i < 7; i++) {
                int64_t now = clock_ns(clocks[i]);
                // the wall clock may be slewed, not set back
                if (now < last[i] || now - last[i] > 2 * NSEC_PER_SEC)
                    FAIL("clock %d went from %lld to %lld", clocks[i], (long long)last[i], (long long)now);
                last[i] = now;
            }
        if (round % 2 == 0) MIGRATE_POINT();
    }
    int64_t boot = clock_ns(CLOCK_BOOTTIME), mono = clock_ns(CLOCK_MONOTONIC);
    CHECK(boot >= mono - NSEC_PER_SEC);
    test_done();
}
