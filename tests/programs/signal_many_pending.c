// Thousands of queued signals, to the process and to a thread, survive moves: all of them, in order.
#include "pmi_test.h"

#define COUNT 1500

static void queue_all(int signal, int to_thread) {
    for (int i = 0; i < COUNT; i++) {
        siginfo_t info = {.si_code = SI_QUEUE};
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = i;
        if (to_thread)
            CHECK_SYS(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, &info));
        else
            CHECK_SYS(syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info));
    }
}
static void take_all(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    for (int i = 0; i < COUNT; i++) {
        siginfo_t info;
        CHECK_EQ(sigwaitinfo(&set, &info), signal);
        CHECK_EQ(info.si_value.sival_int, i);
    }
    struct timespec none = {0};
    CHECK_ERRNO(sigtimedwait(&set, NULL, &none), EAGAIN);
}
int main(void) {
    struct rlimit limit;
    CHECK_SYS(getrlimit(RLIMIT_SIGPENDING, &limit));
    if (limit.rlim_cur < 4 * COUNT) test_skip("fewer signals may be pending here");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigaddset(&set, SIGRTMIN + 2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int round = 0; round < 2; round++) {
        queue_all(SIGRTMIN + 1, 0);
        queue_all(SIGRTMIN + 2, 1);
        MIGRATE_POINT();
        take_all(SIGRTMIN + 1);
        take_all(SIGRTMIN + 2);
    }
    test_done();
}
