// Default-fatal signals end a child with exactly that signal, whether it computes, sleeps or has threads.
#include "pmi_test.h"
static void* sleeper(void* argument) {
    for (;;) pause();
    return argument;
}
int main(void) {
    struct rlimit no_core = {0, 0};
    CHECK_SYS(setrlimit(RLIMIT_CORE, &no_core));
    int signals[] = {SIGTERM, SIGINT, SIGKILL, SIGQUIT, SIGUSR1, SIGSEGV, SIGABRT, SIGPIPE, SIGRTMIN + 6};
    for (int i = 0; i < 9; i++) {
        int p[2];
        CHECK_SYS(pipe(p));
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            if (i % 3 == 1) CHECK_ZERO(pthread_create(&thread, NULL, sleeper, NULL));
            MIGRATE_POINT();
            write_all(p[1], "r", 1);
            if (i % 3 == 0)
                for (volatile unsigned long n = 0;; n++) {
                }
            for (;;) pause();
        }
        char byte;
        read_all(p[0], &byte, 1);
        CHECK_SYS(kill(child, signals[i]));
        CHECK_KILLED(child, signals[i]);
        CHECK_SYS(close(p[0]));
        CHECK_SYS(close(p[1]));
    }
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        abort();
    }
    CHECK_KILLED(child, SIGABRT);
    child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        *(volatile int*)16 = 1;
        _exit(0);
    }
    CHECK_KILLED(child, SIGSEGV);
    test_done();
}
