// sigaltstack: the handler runs there, SS_ONSTACK is seen inside, and a point inside the handler is fine.
#include "pmi_test.h"
static char* stack;
enum { SIZE = 131072 };
static volatile sig_atomic_t count;
static void on_signal(int sig) {
    (void)sig;
    char local;
    CHECK(&local >= stack && &local < stack + SIZE);
    stack_t now;
    CHECK_SYS(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags & SS_ONSTACK, SS_ONSTACK);
    MIGRATE_POINT();
    stack_t off = {.ss_flags = SS_DISABLE};
    CHECK_ERRNO(sigaltstack(&off, NULL), EPERM);
    CHECK(&local >= stack && &local < stack + SIZE);
    count++;
}
int main(void) {
    stack = CHECK_MMAP(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    stack_t alternate = {.ss_sp = stack, .ss_size = SIZE}, now;
    CHECK_SYS(sigaltstack(&alternate, NULL));
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    for (int i = 1; i <= 3; i++) {
        MIGRATE_POINT();
        CHECK_ZERO(raise(SIGUSR1));
        CHECK_EQ(count, i);
        CHECK_SYS(sigaltstack(NULL, &now));
        CHECK(now.ss_sp == stack);
        CHECK_EQ(now.ss_size, SIZE);
        CHECK_EQ(now.ss_flags, 0);
    }
    test_done();
}
