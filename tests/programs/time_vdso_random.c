// A thread that makes many random bytes in the vDSO is moved, and goes on taking its signals.
#include "pmi_vdso.h"
static volatile sig_atomic_t ticks;
static atomic_bool over;
static void tick(int signal) {
    (void)signal;
    ticks++;
}
static void* work(void* argument) {
    ssize_t (*random_)(void*, size_t, unsigned, void*, size_t) = (ssize_t(*)(void*, size_t, unsigned, void*, size_t))argument;
    uint32_t params[16];
    static char bytes[8192];
    CHECK_EQ(random_(NULL, 0, 0, params, (size_t)-1), 0);
    char* state = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    volatile uint64_t sum = 0;
    while (!over) {
        CHECK(random_(bytes, sizeof bytes, 0, state, params[0]) > 256);  // a call that a signal has interrupted gives fewer
        for (int i = 0; i < 20000; i++) sum += (unsigned char)bytes[i % (int)sizeof bytes];
    }
    return NULL;
}
int main(void) {
    void* random_ = find_in_vdso("__vdso_getrandom");
    if (!random_) test_skip("this vDSO makes no random bytes");
    CHECK(signal(SIGALRM, tick) != SIG_ERR);
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, work, random_));
    sigset_t set;
    CHECK_SYS(sigemptyset(&set));
    CHECK_SYS(sigaddset(&set, SIGALRM));
    CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    struct itimerval every = {.it_interval = {0, 10000}, .it_value = {0, 10000}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    for (int i = 0; i < 10; i++) {
        MIGRATE_POINT();
        int before = ticks;
        WAIT_FOR(ticks > before + 2);
    }
    over = true;
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
