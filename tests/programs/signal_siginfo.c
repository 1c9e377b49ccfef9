// Handlers see who sent what: SI_USER by kill, SI_TKILL by tgkill, SI_QUEUE with its value.
#include "pmi_test.h"
static volatile siginfo_t last;
static volatile sig_atomic_t count;
static void on_signal(int sig, siginfo_t* info, void* context) {
    (void)context;
    last = *info;
    CHECK_EQ(info->si_signo, sig);
    count++;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    CHECK_SYS(sigaction(SIGRTMIN + 1, &action, NULL));
    MIGRATE_POINT();
    CHECK_SYS(kill(getpid(), SIGUSR1));
    CHECK_EQ(count, 1);
    CHECK_EQ(last.si_code, SI_USER);
    CHECK_EQ(last.si_pid, getpid());
    CHECK_EQ(last.si_uid, getuid());
    CHECK_SYS(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void*)0x1122334455667788}));
    CHECK_EQ(count, 2);
    CHECK_EQ(last.si_code, SI_QUEUE);
    CHECK(last.si_value.sival_ptr == (void*)0x1122334455667788);
    MIGRATE_POINT();
    CHECK_SYS(syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1));
    CHECK_EQ(count, 3);
    CHECK_EQ(last.si_code, SI_TKILL);
    CHECK_ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 4);
    MIGRATE_POINT();
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        CHECK_SYS(sigqueue(parent, SIGRTMIN + 1, (union sigval){.sival_int = -77}));
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    WAIT_FOR(count == 5);
    CHECK_EQ(last.si_pid, child);
    CHECK_EQ(last.si_value.sival_int, -77);
    CHECK_EQ(last.si_code, SI_QUEUE);
    test_done();
}
