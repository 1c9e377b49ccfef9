// A thread that sleeps with a time-out far off may be moved to another CPU just when it has begun to, and its kernel forgets when
// it ran last (since Linux 6.12 it stays in its CPU's queue for a while). However often that happens, no time-out ends early.
#include "pmi_test.h"
enum { kWaiters = 12, kRounds = 6, kLimitMs = 30000 };
static int pipes[kWaiters][2];
static _Atomic pid_t tids[kWaiters];
static _Atomic int waiting;
static int cpus[2];
static void* waiter(void* arg) {
    int i = (int)(intptr_t)arg;
    struct pollfd set = {pipes[i][0], POLLIN, 0};
    tids[i] = gettid();
    for (int round = 0; round < kRounds; round++) {
        for (volatile unsigned k = 0; k < 4000000; k++) continue;
        waiting++;
        int64_t start = now_ns();
        int ready = poll(&set, 1, kLimitMs);
        if (ready != 1) FAIL("poll gave %d, errno %d, after %lld us", ready, errno, (long long)(now_ns() - start) / 1000);
        char byte;
        CHECK_EQ(read(pipes[i][0], &byte, 1), 1);
    }
    return NULL;
}
static void run_all_on(int cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    for (int i = 0; i < kWaiters; i++) CHECK_SYS(sched_setaffinity(tids[i], sizeof one, &one));
}
static void find_cpus(void) {
    cpu_set_t mine;
    CHECK_SYS(sched_getaffinity(0, sizeof mine, &mine));
    int found = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &mine)) cpus[found++] = cpu;
    if (found == 1) cpus[1] = cpus[0];
}
int main(void) {
    pthread_t threads[kWaiters];
    find_cpus();
    for (int i = 0; i < kWaiters; i++) {
        CHECK_SYS(pipe(pipes[i]));
        CHECK_ZERO(pthread_create(&threads[i], NULL, waiter, (void*)(intptr_t)i));
        while (tids[i] == 0) sleep_ms(1);
    }
    for (int round = 0; round < kRounds; round++) {
        for (int which = 0; waiting < (round + 1) * kWaiters; which ^= 1) run_all_on(cpus[which]);
        MIGRATE_POINT();
        for (int i = 0; i < kWaiters; i++) CHECK_EQ(write(pipes[i][1], "x", 1), 1);
    }
    for (int i = 0; i < kWaiters; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
