// A handler that runs while the program waits ends the wait with EINTR, and no wait ends early, while it is moved meanwhile.
#include <poll.h>
#include <sys/time.h>
#include <ucontext.h>

#include "pmi_test.h"

enum { LIMIT_MS = 1500 };
static volatile sig_atomic_t handled, in_call;
extern char call_instruction[], behind_call[];

static void handler(int signal, siginfo_t* info, void* context) {
    (void)signal;
    (void)info;
    const ucontext_t* interrupted = context;
    if (handled++ == 0) in_call = interrupted->uc_mcontext.gregs[REG_RIP] == (greg_t)behind_call;
}

__attribute__((noinline, noclone)) static long call(long nr, long a, long b, long c, long d, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0;
    register long r9 __asm__("r9") = f;
    __asm__ volatile(
        ".globl call_instruction, behind_call\n"
        "call_instruction: syscall\n"
        "behind_call:"
        : "=a"(result)
        : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
        : "rcx", "r11", "memory");
    return result;
}

static int pipe_ends[2];
static uint32_t word = 1;

// All but the last two, which have no time limit.
enum { WAITS = 8, LIMITED = 6 };
static long wait_in(int which) {
    struct timespec wall = to_timespec(clock_ns(CLOCK_REALTIME) + LIMIT_MS * NSEC_PER_MSEC);
    struct timespec monotonic = to_timespec(clock_ns(CLOCK_MONOTONIC) + LIMIT_MS * NSEC_PER_MSEC);
    struct timespec relative = to_timespec(LIMIT_MS * NSEC_PER_MSEC);
    struct pollfd readable = {pipe_ends[0], POLLIN, 0};
    uint64_t none_blocked = 0;
    char byte;
    switch (which) {
        case 0:
            return call(SYS_futex, (long)&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 1, (long)&wall,
                        FUTEX_BITSET_MATCH_ANY);
        case 1: return call(SYS_futex, (long)&word, FUTEX_WAIT_BITSET_PRIVATE, 1, (long)&monotonic, FUTEX_BITSET_MATCH_ANY);
        case 2: return call(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 1, (long)&relative, 0);
        case 3: return call(SYS_nanosleep, (long)&relative, 0, 0, 0, 0);
        case 4: return call(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, (long)&wall, 0, 0);
        case 5: return call(SYS_poll, (long)&readable, 1, LIMIT_MS, 0, 0);
        case 6: return call(SYS_read, pipe_ends[0], (long)&byte, 1, 0, 0);
        default: return call(SYS_rt_sigsuspend, (long)&none_blocked, sizeof none_blocked, 0, 0, 0);
    }
}

static void check_wait(int which, int expires_ms) {
    // Another expiration, much later, ends a wait without a limit that a handler came before.
    struct itimerval timer = {{10, 0}, {0, expires_ms * 1000}}, off = {{0, 0}, {0, 0}};
    handled = in_call = 0;
    CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    long result = wait_in(which);
    int64_t ms = (clock_ns(CLOCK_MONOTONIC) - began) / NSEC_PER_MSEC;
    CHECK_SYS(setitimer(ITIMER_REAL, &off, NULL));
    if (in_call && (result != -EINTR || (which >= LIMITED && ms > 9000)))
        FAIL("wait %d: a handler ran in it; %ld after %lld ms", which, result, (long long)ms);
    if (result == -EINTR && handled == 0) FAIL("wait %d: EINTR, and no handler ran", which);
    if (which < LIMITED && result != -EINTR && ms < LIMIT_MS - 20)
        FAIL("wait %d: %ld after %lld ms instead of %d", which, result, (long long)ms, LIMIT_MS);
}

int main(void) {
    CHECK_SYS(pipe(pipe_ends));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    sigset_t alarm_only, before;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    for (int round = 0; round < 3; round++)
        for (int which = 0; which < WAITS; which++) {
            LaterPoint later;
            CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &alarm_only, &before));
            MIGRATE_POINT_LATER(&later, 5);
            CHECK_ZERO(pthread_sigmask(SIG_SETMASK, &before, NULL));
            check_wait(which, 20 + 25 * round);
            later_point_join(&later);
        }
    test_done();
}
