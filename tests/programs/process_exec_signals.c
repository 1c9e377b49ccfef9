// Over exec: the mask and pending signals stay, ignored stay ignored, handlers become default; timers go on.
#include "pmi_test.h"
static void nothing(int sig) { (void)sig; }
int main(int argc, char** argv) {
    if (argc > 1) {
        sigset_t now;
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK_EQ(sigismember(&now, SIGUSR1), 1);
        CHECK_EQ(sigismember(&now, SIGUSR2), 0);
        CHECK_SYS(sigpending(&now));
        CHECK_EQ(sigismember(&now, SIGUSR1), 1);
        MIGRATE_POINT();
        struct sigaction action;
        CHECK_SYS(sigaction(SIGHUP, NULL, &action));
        CHECK(action.sa_handler == SIG_IGN);
        CHECK_SYS(sigaction(SIGUSR2, NULL, &action));
        CHECK(action.sa_handler == SIG_DFL);
        CHECK(alarm(0) > 90);
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGUSR1);
        siginfo_t info;
        CHECK_EQ(sigwaitinfo(&one, &info), SIGUSR1);
        CHECK_EQ(info.si_pid, getpid());
        test_done();
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_SYS(kill(getpid(), SIGUSR1));
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    CHECK(signal(SIGUSR2, nothing) != SIG_ERR);
    alarm(100);
    MIGRATE_POINT();
    CHECK_SYS(execl("/proc/self/exe", argv[0], "again", (char*)NULL));
}
