// A program that looks into its vDSO itself and keeps pointers to the functions can call them after moves.
#include "pmi_vdso.h"

static int64_t ns(const struct timespec* t) { return t->tv_sec * NSEC_PER_SEC + t->tv_nsec; }

int main(void) {
    int (*gettime)(clockid_t, struct timespec*) = find_in_vdso("__vdso_clock_gettime");
    int (*timeofday)(struct timeval*, struct timezone*) = find_in_vdso("__vdso_gettimeofday");
    time_t (*seconds)(time_t*) = find_in_vdso("__vdso_time");
    int (*getres)(clockid_t, struct timespec*) = find_in_vdso("__vdso_clock_getres");
    long (*getcpu_)(unsigned*, unsigned*, void*) = find_in_vdso("__vdso_getcpu");
    ssize_t (*random_)(void*, size_t, unsigned, void*, size_t) = find_in_vdso("__vdso_getrandom");
    CHECK(gettime && timeofday && seconds && getcpu_);
    uint32_t params[16], first[16];
    if (random_) CHECK_EQ(random_(NULL, 0, 0, first, (size_t)-1), 0);
    char* state = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int64_t last = 0;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 100; i++) {
            static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
            for (int c = 0; c < 4; c++) {
                struct timespec a, raw, b;
                CHECK_EQ(gettime(clocks[c], &a), 0);
                CHECK_EQ(raw_syscall(SYS_clock_gettime, clocks[c], (long)&raw, 0, 0, 0, 0), 0);
                CHECK_EQ(gettime(clocks[c], &b), 0);
                if (ns(&a) > ns(&raw) || ns(&raw) > ns(&b))
                    FAIL("clock %d: %lld, %lld, %lld ns", clocks[c], (long long)ns(&a), (long long)ns(&raw), (long long)ns(&b));
                if (c != 0) continue;
                CHECK(ns(&a) >= last);
                last = ns(&b);
            }
            struct timeval tv, raw_tv, tv2;
            struct timezone tz, raw_tz;
            CHECK_EQ(timeofday(&tv, &tz), 0);
            CHECK_EQ(raw_syscall(SYS_gettimeofday, (long)&raw_tv, (long)&raw_tz, 0, 0, 0, 0), 0);
            CHECK_EQ(timeofday(&tv2, NULL), 0);
            CHECK(!timercmp(&raw_tv, &tv, <) && !timercmp(&tv2, &raw_tv, <));
            CHECK_EQ(tz.tz_minuteswest, raw_tz.tz_minuteswest);
            time_t s = seconds(NULL), raw_s = raw_syscall(SYS_time, 0, 0, 0, 0, 0, 0), s2;
            CHECK_EQ(seconds(&s2), s2);
            CHECK(s <= raw_s && raw_s <= s2);
        }
        struct timespec cpu, resolution, raw_resolution;
        CHECK_EQ(gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu), 0);
        CHECK_EQ(gettime(77, &cpu), -EINVAL);
        if (getres) {
            CHECK_EQ(getres(CLOCK_REALTIME_COARSE, &resolution), 0);
            CHECK_EQ(raw_syscall(SYS_clock_getres, CLOCK_REALTIME_COARSE, (long)&raw_resolution, 0, 0, 0, 0), 0);
            CHECK_EQ(resolution.tv_nsec, raw_resolution.tv_nsec);
        }
        unsigned number = 1 << 20;
        CHECK_EQ(getcpu_(&number, NULL, NULL), 0);
        CHECK(number < 1 << 13);
        if (random_) {
            memset(params, 0xff, sizeof params);
            CHECK_EQ(random_(NULL, 0, 0, params, (size_t)-1), 0);
            CHECK(memcmp(params, first, sizeof params) == 0);
            static char previous[32];
            char bytes[32];
            CHECK_EQ(random_(bytes, sizeof bytes, 0, state, params[0]), 32);
            CHECK(memcmp(bytes, previous, sizeof bytes) != 0);
            memcpy(previous, bytes, sizeof bytes);
        }
        MIGRATE_POINT();
    }
    test_done();
}
