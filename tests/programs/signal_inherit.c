// A new thread inherits its maker's mask, a child inherits mask and dispositions, pending ones not.
#include "pmi_test.h"
static void nothing(int sig) { (void)sig; }
static void* thread_main(void* argument) {
    sigset_t now;
    CHECK_ZERO(pthread_sigmask(SIG_BLOCK, NULL, &now));
    *(int*)argument = sigismember(&now, SIGUSR2);
    return NULL;
}
int main(void) {
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    struct sigaction action = {.sa_handler = nothing}, old;
    CHECK_SYS(sigaction(SIGHUP, &action, NULL));
    CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_ZERO(raise(SIGUSR2));
    MIGRATE_POINT();
    int blocked = -1;
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, thread_main, &blocked));
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_EQ(blocked, 1);
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK_EQ(sigismember(&now, SIGUSR2), 1);
        CHECK_SYS(sigpending(&now));
        CHECK_EQ(sigismember(&now, SIGUSR2), 0);
        CHECK_SYS(sigaction(SIGHUP, NULL, &old));
        CHECK(old.sa_handler == nothing);
        CHECK_SYS(sigaction(SIGTERM, NULL, &old));
        CHECK(old.sa_handler == SIG_IGN);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    CHECK_SYS(sigpending(&now));
    CHECK_EQ(sigismember(&now, SIGUSR2), 1);
    test_done();
}
