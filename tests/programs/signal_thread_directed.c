// pthread_kill reaches exactly its thread; each thread has its own mask; a process signal finds the one that
// takes it.
#include "pmi_test.h"
static __thread volatile sig_atomic_t mine;
static atomic_int ready, done, total;
static int seen[4];
static void on_signal(int sig) {
    (void)sig;
    mine++;
    total++;
}
static void* thread_main(void* argument) {
    int index = (int)(intptr_t)argument;
    ready++;
    WAIT_FOR(done);
    seen[index] = mine;
    return NULL;
}
int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        // SIGUSR2 is open in thread 2 only
        CHECK_ZERO(pthread_sigmask(i == 2 ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL));
        CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)(intptr_t)i));
    }
    CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    WAIT_FOR(ready == 4);
    MIGRATE_POINT();
    for (int i = 0; i < 4; i++)
        for (int k = 0; k <= i; k++) {
            int before = total;
            CHECK_ZERO(pthread_kill(threads[i], SIGUSR1));
            WAIT_FOR(total == before + 1);
        }
    MIGRATE_POINT();
    for (int k = 0; k < 10; k++) {
        int before = total;
        CHECK_SYS(kill(getpid(), SIGUSR2));
        WAIT_FOR(total == before + 1);
    }
    done = 1;
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    for (int i = 0; i < 4; i++) CHECK_EQ(seen[i], i + 1 + (i == 2 ? 10 : 0));
    CHECK_EQ(mine, 0);
    test_done();
}
