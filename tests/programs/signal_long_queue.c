// A long queue of blocked signals does not make a move slow, and is there in its order afterwards.
#include "pmi_test.h"
int main(void) {
    int to_thread = SIGRTMIN + 1, to_process = SIGRTMIN + 2;
    sigset_t set;
    CHECK_SYS(sigemptyset(&set));
    CHECK_SYS(sigaddset(&set, to_thread));
    CHECK_SYS(sigaddset(&set, to_process));
    CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    int own = 0, others = 0;  // as many as the limit lets them be
    while (own < 40000 && pthread_sigqueue(pthread_self(), to_thread, (union sigval){.sival_int = own}) == 0) own++;
    while (others < 20000 && sigqueue(getpid(), to_process, (union sigval){.sival_int = others}) == 0) others++;
    for (int i = 0; i < 3; i++) {
        int64_t start = now_ns();
        MIGRATE_POINT();
        CHECK(now_ns() - start < 5 * NSEC_PER_SEC);
        sigset_t pending;
        CHECK_SYS(sigpending(&pending));
        CHECK_EQ(sigismember(&pending, to_thread), own > 0);
        CHECK_EQ(sigismember(&pending, to_process), others > 0);
    }
    siginfo_t info;
    struct timespec none = {0};
    for (int i = 0; i < own && i < 100; i++) {
        CHECK_EQ(sigtimedwait(&set, &info, &none), to_thread);
        CHECK_EQ(info.si_value.sival_int, i);
        if (i % 40 == 0) MIGRATE_POINT();
    }
    test_done();
}
