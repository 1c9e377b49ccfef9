// Real-time signals queue: lowest number first, each number in the order sent, every value delivered once.
#include "pmi_test.h"
static volatile int values[64];
static volatile sig_atomic_t count;
static void on_signal(int sig, siginfo_t* info, void* context) {
    (void)context;
    values[count++] = (sig - SIGRTMIN) * 100 + info->si_value.sival_int;
}
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    for (int i = 1; i <= 3; i++) {
        CHECK_SYS(sigaction(SIGRTMIN + i, &action, NULL));
        sigaddset(&set, SIGRTMIN + i);
    }
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int k = 0; k < 8; k++) {
        for (int i = 3; i >= 1; i--) CHECK_SYS(sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = k}));
        if (k % 3 == 1) MIGRATE_POINT();
    }
    MIGRATE_POINT();
    CHECK_EQ(count, 0);
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(count, 24);
    for (int n = 0; n < 24; n++) CHECK_EQ(values[n], (n / 8 + 1) * 100 + n % 8);
    test_done();
}
