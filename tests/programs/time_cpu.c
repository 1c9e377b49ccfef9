// CPU time of process and thread by every call: never goes back, grows with work, does not grow with sleep.
#include "pmi_test.h"
#include <sys/times.h>
static int64_t usage_ns(int who) {
    struct rusage usage;
    CHECK_SYS(getrusage(who, &usage));
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}
static int64_t read_one(int which) {
    struct tms t;
    switch (which) {
        case 0: return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        case 1: return clock_ns(CLOCK_THREAD_CPUTIME_ID);
        case 2: return usage_ns(RUSAGE_SELF);
        case 3: return usage_ns(RUSAGE_THREAD);
        case 4: return clock() * (NSEC_PER_SEC / CLOCKS_PER_SEC);
        default: times(&t); return (t.tms_utime + t.tms_stime) * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
    }
}
static volatile uint64_t work;
int main(void) {
    int64_t last[6] = {0};
    for (int round = 0; round < 4; round++) {
        int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - before < 60 * NSEC_PER_MSEC)
            for (int i = 0; i < 20000; i++) work += (uint64_t)i;
        for (int which = 0; which < 6; which++) {
            int64_t now = read_one(which);
            if (now - last[which] < 30 * NSEC_PER_MSEC || now - last[which] > 2 * NSEC_PER_SEC)
                FAIL("reading %d went from %lld to %lld ns", which, (long long)last[which], (long long)now);
            last[which] = now;
        }
        MIGRATE_POINT();
        for (int which = 0; which < 6; which++) {
            int64_t now = read_one(which);
            CHECK(now >= last[which]);
            last[which] = now;
        }
        before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        sleep_ms(100);
        CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 80 * NSEC_PER_MSEC);
    }
    test_done();
}
