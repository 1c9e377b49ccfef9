// Threads that read the clocks all the time, each by its own way, while the program moves: none ever goes back.
#include "pmi_test.h"

static atomic_bool stop;

static int64_t by_vdso(clockid_t clock) { return clock_ns(clock); }
static int64_t by_call(clockid_t clock) {
    struct timespec t;
    CHECK_EQ(raw_syscall(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0), 0);
    return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}
static int64_t by_timeofday(clockid_t clock) {
    (void)clock;
    struct timeval t;
    CHECK_SYS(gettimeofday(&t, NULL));
    return t.tv_sec * NSEC_PER_SEC + t.tv_usec * 1000;
}

static struct reader {
    clockid_t clock;
    int64_t (*first)(clockid_t);
    int64_t (*second)(clockid_t);
} readers[] = {
    {CLOCK_REALTIME, by_vdso, by_vdso},           {CLOCK_REALTIME, by_vdso, by_call},        {CLOCK_MONOTONIC, by_vdso, by_call},
    {CLOCK_REALTIME, by_timeofday, by_timeofday}, {CLOCK_REALTIME_COARSE, by_vdso, by_call},
};

static void* read_clocks(void* argument) {
    const struct reader* r = argument;
    int64_t last = 0;
    for (int i = 0; !atomic_load(&stop); i++) {
        int64_t now = i % 2 == 0 ? r->first(r->clock) : r->second(r->clock);
        if (now < last) FAIL("clock %d went back by %lld ns", r->clock, (long long)(last - now));
        last = now;
        if (i % 1000 == 0) sched_yield();
    }
    return NULL;
}

int main(void) {
    pthread_t threads[5];
    for (int i = 0; i < 5; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, read_clocks, &readers[i]));
    for (int i = 0; i < 8; i++) {
        sleep_ms(50);
        MIGRATE_POINT();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 5; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
