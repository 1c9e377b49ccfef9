// epoll_pwait with a mask, epoll_pwait2 with nanoseconds, a nested epoll.
#include "pmi_test.h"
#include <sys/epoll.h>
static volatile sig_atomic_t taken;
static void on_signal(int sig) {
    (void)sig;
    taken++;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &block, NULL));
    int ep = (int)CHECK_SYS(epoll_create1(0)), outer = (int)CHECK_SYS(epoll_create1(0)), p[2];
    CHECK_SYS(pipe(p));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1}, got;
    CHECK_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event));
    CHECK_SYS(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &event));
    CHECK_SYS(raise(SIGUSR1));
    MIGRATE_POINT();
    CHECK_EQ(taken, 0);
    CHECK_ERRNO(epoll_pwait(ep, &got, 1, 5000, &none), EINTR);
    CHECK_EQ(taken, 1);
    int64_t start = now_ns();
    struct timespec limit = {0, 120 * NSEC_PER_MSEC + 1};
    long result = syscall(SYS_epoll_pwait2, ep, &got, 1, &limit, &block, (size_t)8);
    if (result == -1 && errno == ENOSYS) test_skip("no epoll_pwait2");
    CHECK_EQ(result, 0);
    CHECK_ELAPSED(start, 120);
    write_all(p[1], "x", 1);
    MIGRATE_POINT();
    CHECK_EQ(epoll_wait(outer, &got, 1, -1), 1);
    CHECK_EQ(epoll_pwait(ep, &got, 1, -1, &block), 1);
    CHECK_EQ(taken, 1);
    test_done();
}
