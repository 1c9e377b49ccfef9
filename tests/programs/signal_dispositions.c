// Every disposition, flag and mask is read back as it was set.
#include "pmi_test.h"
static void handler_a(int sig) { (void)sig; }
static void handler_b(int sig, siginfo_t* info, void* context) { (void)sig, (void)info, (void)context; }
int main(void) {
    for (int sig = 1; sig <= 64; sig++) {
        if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33 || sig >= 63) continue;  // 63, 64: steering
        struct sigaction action = {.sa_flags = SA_RESTART};
        sigaddset(&action.sa_mask, sig % 31 + 1);
        if (sig % 4 == 0) action.sa_handler = SIG_IGN;
        if (sig % 4 == 1) action.sa_handler = handler_a;
        if (sig % 4 == 2) action.sa_sigaction = handler_b, action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
        CHECK_SYS(sigaction(sig, &action, NULL));
    }
    for (int round = 0; round < 2; round++) {
        MIGRATE_POINT();
        for (int sig = 1; sig <= 62; sig++) {
            if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33) continue;
            struct sigaction now;
            CHECK_SYS(sigaction(sig, NULL, &now));
            if (sig % 4 == 0) CHECK(now.sa_handler == SIG_IGN);
            if (sig % 4 == 1) CHECK(now.sa_handler == handler_a);
            if (sig % 4 == 2) CHECK(now.sa_sigaction == handler_b);
            if (sig % 4 == 3) CHECK(now.sa_handler == SIG_DFL);
            CHECK_EQ(now.sa_flags & ~0x04000000, sig % 4 == 2 ? SA_SIGINFO | SA_NODEFER | SA_ONSTACK : SA_RESTART);
            for (int other = 1; other <= 31; other++)
                if (other != SIGKILL && other != SIGSTOP) CHECK_EQ(sigismember(&now.sa_mask, other), other == sig % 31 + 1);
        }
    }
    struct sigaction bad = {.sa_handler = handler_a};
    CHECK_ERRNO(sigaction(SIGKILL, &bad, NULL), EINVAL);
    CHECK_ERRNO(sigaction(65, &bad, NULL), EINVAL);
    test_done();
}
