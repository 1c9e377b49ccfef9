// SA_NODEFER lets a handler interrupt itself, SA_RESETHAND fires once, SA_NODEFER-less blocks itself.
#include "pmi_test.h"
static volatile sig_atomic_t depth, deepest, count;
static void on_signal(int sig) {
    count++;
    if (++depth > deepest) deepest = depth;
    if (depth == 1) CHECK_ZERO(raise(sig));
    depth--;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER}, old;
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    MIGRATE_POINT();
    CHECK_ZERO(raise(SIGUSR1));
    CHECK_EQ(deepest, 2);
    CHECK_EQ(count, 2);
    action.sa_flags = 0;
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    deepest = 0;
    depth = 1;  // so that it doesn't raise again
    MIGRATE_POINT();
    CHECK_ZERO(raise(SIGUSR1));
    CHECK_EQ(deepest, 2);
    action.sa_flags = (int)SA_RESETHAND | SA_NODEFER;
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    MIGRATE_POINT();
    CHECK_SYS(sigaction(SIGUSR2, NULL, &old));
    CHECK(old.sa_handler == on_signal);
    CHECK_ZERO(raise(SIGUSR2));
    MIGRATE_POINT();
    CHECK_SYS(sigaction(SIGUSR2, NULL, &old));
    CHECK(old.sa_handler == SIG_DFL);
    test_done();
}
