// Futexes that are waited for until a time of CLOCK_REALTIME: woken, timed out, interrupted; registers stay as they were.
#include "pmi_test.h"

#define LOCK_PI FUTEX_LOCK_PI_PRIVATE
static uint32_t word = 1, lock;
static atomic_int handled, returned;

static void handler(int signal) {
    (void)signal;
    atomic_fetch_add(&handled, 1);
}

// The call, and a check that it changes no register but those that a system call may change.
static long call(uint32_t* futex, long op, long value, const struct timespec* limit) {
    long result, rdi = (long)futex, rsi = op, rdx = value;
    register long r10 __asm__("r10") = (long)limit;
    register long r8 __asm__("r8") = 0;
    register long r9 __asm__("r9") = FUTEX_BITSET_MATCH_ANY;
    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "a"(SYS_futex)
                     : "rcx", "r11", "memory");
    CHECK_EQ(rdi, (long)futex);
    CHECK_EQ(rsi, op);
    CHECK_EQ(rdx, value);
    CHECK_EQ(r10, (long)limit);
    CHECK_EQ(r8, 0);
    CHECK_EQ(r9, (long)FUTEX_BITSET_MATCH_ANY);
    return result;
}

static struct timespec in_ms(int ms) { return to_timespec(clock_ns(CLOCK_REALTIME) + ms * NSEC_PER_MSEC); }

static void check_timeout(uint32_t* futex, long op, int ms) {
    struct timespec limit = in_ms(ms);
    CHECK_EQ(call(futex, op, 1, &limit), -ETIMEDOUT);
    int64_t late = clock_ns(CLOCK_REALTIME) - limit.tv_sec * NSEC_PER_SEC - limit.tv_nsec;
    if (late < 0 || (ms > 0 && late > 1500 * NSEC_PER_MSEC)) FAIL("%lld ns late", (long long)late);
}

static void* wake_later(void* argument) {
    (void)argument;
    sleep_ms(150);
    __atomic_store_n(&word, 2, __ATOMIC_SEQ_CST);
    while (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0 && !atomic_load(&returned)) sched_yield();
    return NULL;
}

static void* hold_lock(void* argument) {
    CHECK_EQ(syscall(SYS_futex, &lock, LOCK_PI, 0, NULL, NULL, 0), 0);
    pthread_barrier_wait(argument);
    pthread_barrier_wait(argument);
    CHECK_EQ(syscall(SYS_futex, &lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), 0);
    return NULL;
}

int main(void) {
    const long wait = FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME;
    struct sigaction action = {.sa_handler = handler};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    for (int round = 0; round < 3; round++) {
        check_timeout(&word, wait, 100);
        check_timeout(&word, wait, -5000);
        struct timespec limit = in_ms(60000), bad = {1, NSEC_PER_SEC};
        CHECK_EQ(call(&word, wait, 7, &limit), -EAGAIN);
        CHECK_EQ(call(&word, wait, 1, &bad), -EINVAL);
        CHECK_EQ(call(&word, wait, 1, (void*)8), -EFAULT);

        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, NULL, wake_later, NULL));
        // EAGAIN: stopped for a moment, as by SIGSTOP, it waits anew, and finds the new value.
        long woken = call(&word, wait, 1, &limit);
        if (woken != -EAGAIN) CHECK_EQ(woken, 0);
        atomic_store(&returned, 1);
        CHECK_ZERO(pthread_join(thread, NULL));
        atomic_store(&returned, 0);
        word = 1;

        struct itimerval once = {{0, 0}, {0, 150000}};
        CHECK_SYS(setitimer(ITIMER_REAL, &once, NULL));
        CHECK_EQ(call(&word, wait, 1, &limit), -EINTR);
        CHECK_EQ(atomic_load(&handled), round + 1);

        pthread_barrier_t barrier;
        CHECK_ZERO(pthread_barrier_init(&barrier, NULL, 2));
        CHECK_ZERO(pthread_create(&thread, NULL, hold_lock, &barrier));
        pthread_barrier_wait(&barrier);
        check_timeout(&lock, LOCK_PI, 100);
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 50);
        check_timeout(&lock, LOCK_PI, 400);
        later_point_join(&later);
        pthread_barrier_wait(&barrier);
        CHECK_ZERO(pthread_join(thread, NULL));

        MIGRATE_POINT_LATER(&later, 50);
        check_timeout(&word, wait, 400);
        later_point_join(&later);
        MIGRATE_POINT();
    }
    test_done();
}
