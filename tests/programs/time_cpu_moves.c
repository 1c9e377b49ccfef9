// CPU clocks of a process and of several threads over many points: none ever goes back, the process has at
// least what its threads have, and a new thread and a new process begin at zero.
#include "pmi_test.h"
#include <sys/times.h>
enum { THREADS = 3, ROUNDS = 8, CLOCKS = 7 };
static int64_t timeval_ns(struct timeval t) { return t.tv_sec * NSEC_PER_SEC + t.tv_usec * 1000LL; }
static int64_t read_one(int which) {
    struct rusage usage;
    struct tms t;
    switch (which) {
        case 0: return clock_ns(CLOCK_THREAD_CPUTIME_ID);
        case 1: return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        case 2: return clock() * (NSEC_PER_SEC / CLOCKS_PER_SEC);
        case 3: CHECK_SYS(getrusage(RUSAGE_THREAD, &usage)); return timeval_ns(usage.ru_utime);
        case 4: CHECK_SYS(getrusage(RUSAGE_SELF, &usage)); return timeval_ns(usage.ru_utime);
        case 5: CHECK_SYS(getrusage(RUSAGE_SELF, &usage)); return timeval_ns(usage.ru_stime);
        default: times(&t); return (int64_t)t.tms_utime * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
    }
}
static void check_none_goes_back(int64_t last[CLOCKS]) {
    for (int which = 0; which < CLOCKS; which++) {
        int64_t now = read_one(which);
        if (now < last[which]) FAIL("reading %d went from %lld to %lld ns", which, (long long)last[which], (long long)now);
        last[which] = now;
    }
}
static void burn(int64_t ns, int64_t last[CLOCKS]) {
    static _Thread_local volatile uint64_t work;
    int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < ns) {
        for (int i = 0; i < 1000000; i++) work = work + (uint64_t)i;
        check_none_goes_back(last);
    }
}
static atomic_int stop;
static atomic_llong used_by_threads;
static void* worker(void* argument) {
    int64_t last[CLOCKS] = {0};
    CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) < 100 * NSEC_PER_MSEC);
    while (!stop) {
        burn(20 * NSEC_PER_MSEC, last);
        sleep_ms(5);
    }
    used_by_threads += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return argument;
}
static void check_child(void) {
    pid_t child = fork();
    if (child == 0) {
        int64_t last[CLOCKS] = {0};
        CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) < 200 * NSEC_PER_MSEC);
        CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) < 200 * NSEC_PER_MSEC);
        burn(20 * NSEC_PER_MSEC, last);
        MIGRATE_POINT();
        check_none_goes_back(last);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}
int main(void) {
    int64_t last[CLOCKS] = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, worker, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        burn(50 * NSEC_PER_MSEC, last);
        check_none_goes_back(last);
        MIGRATE_POINT();
        check_none_goes_back(last);
        if (round >= ROUNDS - 3) check_child();
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    int64_t own = clock_ns(CLOCK_THREAD_CPUTIME_ID), all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(own >= ROUNDS * 50 * NSEC_PER_MSEC);
    if (all < own + used_by_threads)
        FAIL("the process used %lld ns, its threads %lld and %lld", (long long)all, (long long)own, (long long)used_by_threads);
    test_done();
}
