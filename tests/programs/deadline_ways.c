// More ways to wait for a time, all at once, each in a thread of its own: all end at that time.
#include "pmi_test.h"
#include <sys/epoll.h>
#include <sys/select.h>
enum { WAIT_MS = 1600, WAYS = 12 };
static const struct timespec wait_time = {1, 600000000};
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};
static void* wait_in(void* argument) {
    int way = (int)(intptr_t)argument;
    int64_t start = now_ns();
    struct timespec left = wait_time, until = to_timespec(start + WAIT_MS * NSEC_PER_MSEC);
    struct timespec until_boot = to_timespec(clock_ns(CLOCK_BOOTTIME) + WAIT_MS * NSEC_PER_MSEC);
    uint32_t word = 0;
    struct waiter waiter = {0, (uint64_t)(uintptr_t)&word, 2 /* FUTEX2_SIZE_U32 */, 0};
    struct pollfd none = {-1, POLLIN, 0};
    struct epoll_event event;
    sigset_t mask;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attributes;
    pthread_cond_t cond;
    sigemptyset(&mask);
    switch (way) {
        case 0: CHECK_EQ(ppoll(&none, 1, &left, NULL), 0); break;
        case 1: CHECK_EQ(ppoll(&none, 1, &left, &mask), 0); break;
        case 2: CHECK_EQ(pselect(0, NULL, NULL, NULL, &left, &mask), 0); break;
        case 3: {
            int fd = (int)CHECK_SYS(epoll_create1(0));
            long result = syscall(SYS_epoll_pwait2, fd, &event, 1, &left, NULL, 0);
            if (result == -1 && errno == ENOSYS) return NULL;
            CHECK_EQ(result, 0);
            break;
        }
        case 4: CHECK_EQ(epoll_pwait((int)CHECK_SYS(epoll_create1(0)), &event, 1, WAIT_MS, &mask), 0); break;
        case 5: CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &until, NULL, -1), ETIMEDOUT); break;
        case 6: {
            long result = syscall(SYS_futex_waitv, &waiter, 1, 0, &until, CLOCK_MONOTONIC);
            int error = errno;
            if (result == -1 && error == ENOSYS) return NULL;
            CHECK(result == -1 && error == ETIMEDOUT);
            break;
        }
        case 7: CHECK_ZERO(clock_nanosleep(CLOCK_BOOTTIME, 0, &wait_time, NULL)); break;
        case 8: CHECK_ZERO(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until_boot, NULL)); break;
        case 9: CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)); break;
        case 10:
            CHECK_ZERO(pthread_condattr_init(&attributes));
            CHECK_ZERO(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
            CHECK_ZERO(pthread_cond_init(&cond, &attributes));
            CHECK_ZERO(pthread_mutex_lock(&mutex));
            CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &until), ETIMEDOUT);
            break;
        default: CHECK_ZERO(clock_nanosleep(CLOCK_REALTIME, 0, &wait_time, NULL));
    }
    CHECK_ELAPSED_SLACK(start, WAIT_MS, 1);
    return NULL;
}
int main(void) {
    pthread_t threads[WAYS];
    for (int i = 0; i < WAYS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, wait_in, (void*)(intptr_t)i));
    for (int i = 0; i < 4; i++) {
        sleep_ms(200);
        MIGRATE_POINT();
    }
    for (int i = 0; i < WAYS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
