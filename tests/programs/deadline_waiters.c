// Seven threads wait in seven ways at once and all end at the same time.
#include "pmi_test.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>
static void* wait_in(void* argument) {
    int way = (int)(intptr_t)argument;
    int64_t start = now_ns();
    struct timespec two = {2, 0};
    struct timeval two_tv = {2, 0};
    struct epoll_event event;
    uint32_t word = 0;
    uint64_t count;
    sigset_t set;
    switch (way) {
        case 0: CHECK_SYS(nanosleep(&two, NULL)); break;
        case 1: CHECK_EQ(poll(NULL, 0, 2000), 0); break;
        case 2: CHECK_EQ(select(0, NULL, NULL, NULL, &two_tv), 0); break;
        case 3: CHECK_EQ(epoll_wait((int)CHECK_SYS(epoll_create1(0)), &event, 1, 2000), 0); break;
        case 4: CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &two, NULL, 0), ETIMEDOUT); break;
        case 5:
            sigemptyset(&set);
            sigaddset(&set, SIGUSR2);
            CHECK_ERRNO(sigtimedwait(&set, NULL, &two), EAGAIN);
            break;
        default: {
            int fd = (int)CHECK_SYS(timerfd_create(CLOCK_MONOTONIC, 0));
            struct itimerspec spec = {{0, 0}, two};
            CHECK_SYS(timerfd_settime(fd, 0, &spec, NULL));
            CHECK_EQ(read(fd, &count, 8), 8);
        }
    }
    CHECK_ELAPSED(start, 2000);
    return NULL;
}
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    pthread_t threads[7];
    for (int i = 0; i < 7; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, wait_in, (void*)(intptr_t)i));
    for (int i = 0; i < 3; i++) {
        sleep_ms(400);
        MIGRATE_POINT();
    }
    for (int i = 0; i < 7; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
