// sigsetjmp and siglongjmp out of handlers restore the mask, hundreds of times over points.
#include "pmi_test.h"
#include <setjmp.h>
static sigjmp_buf out;
static void on_signal(int sig) { siglongjmp(out, sig); }
int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    volatile int jumps = 0;
    for (volatile int i = 0; i < 400; i++) {
        int how = sigsetjmp(out, 1);
        if (how == 0) {
            CHECK_ZERO(raise(SIGUSR1));
            FAIL("came back from the handler");
        }
        CHECK_EQ(how, SIGUSR1);
        sigset_t now;
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK_EQ(sigismember(&now, SIGUSR1), 0);
        jumps++;
        if (i % 100 == 50) MIGRATE_POINT();
    }
    CHECK_EQ(jumps, 400);
    test_done();
}
