// One thread's vfork children make a call that is made at home alone (kcmp), while other threads fork.
#include "pmi_test.h"
static _Atomic int stop;
static _Atomic long forks, vforks;
static void* forker(void* v) {
    while (!stop) {
        pid_t c = fork();
        if (c < 0) FAIL("fork: %s", strerror(errno));
        if (c == 0) _exit(3);
        CHECK_EXITED(c, 3);
        forks++;
    }
    return v;
}
static void* vforker(void* v) {
    while (!stop) {
        pid_t c = vfork();
        if (c == 0) {
            raw_syscall(SYS_kcmp, 1, 1, 0, 0, 0, 0);
            _exit(5);
        }
        if (c < 0) FAIL("vfork: %s", strerror(errno));
        CHECK_EXITED(c, 5);
        vforks++;
    }
    return v;
}
int main(void) {
    MIGRATE_POINT();
    pthread_t a, b, d;
    CHECK_ZERO(pthread_create(&a, NULL, forker, NULL));
    CHECK_ZERO(pthread_create(&b, NULL, vforker, NULL));
    CHECK_ZERO(pthread_create(&d, NULL, forker, NULL));
    sleep_ms(1500);
    stop = 1;
    CHECK_ZERO(pthread_join(a, NULL));
    CHECK_ZERO(pthread_join(b, NULL));
    CHECK_ZERO(pthread_join(d, NULL));
    CHECK(forks > 0 && vforks > 0);
    test_done();
}
