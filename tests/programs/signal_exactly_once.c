// A child sends 3000 queued signals with rising values while the parent moves and blocks: each arrives once,
// in order.
#include "pmi_test.h"
static volatile sig_atomic_t next;
static volatile sig_atomic_t wrong;
static void on_signal(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    if (info->si_value.sival_int != next) wrong = 1;
    next++;
}
int main(void) {
    enum { TOTAL = 3000, WINDOW = 64 };
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGRTMIN + 7, &action, NULL));
    int acknowledge[2];
    CHECK_SYS(pipe(acknowledge));
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < TOTAL; i++) {
            if (i % WINDOW == 0) {
                char byte;
                read_all(acknowledge[0], &byte, 1);
            }
            CHECK_SYS(sigqueue(parent, SIGRTMIN + 7, (union sigval){.sival_int = i}));
        }
        _exit(0);
    }
    for (int window = 0; window * WINDOW < TOTAL; window++) {
        write_all(acknowledge[1], "a", 1);
        if (window % 10 == 5) MIGRATE_POINT();
        int until = (window + 1) * WINDOW < TOTAL ? (window + 1) * WINDOW : TOTAL;
        WAIT_FOR(next >= until);
        CHECK_EQ(next, until);
    }
    CHECK_EQ(wrong, 0);
    CHECK_EXITED(child, 0);
    test_done();
}
