// exit_group from any thread ends all; the status is the caller's; atexit runs once.
#include "pmi_test.h"
static void* exiter(void* argument) {
    MIGRATE_POINT();
    exit((int)(intptr_t)argument);
}
static int announce;
static void at_exit(void) { write_all(announce, "x", 1); }
int main(void) {
    for (int i = 0; i < 3; i++) {
        int p[2];
        CHECK_SYS(pipe(p));
        pid_t child = fork();
        if (child == 0) {
            announce = p[1];
            CHECK_EQ(atexit(at_exit), 0);
            pthread_t thread;
            CHECK_ZERO(pthread_create(&thread, NULL, exiter, (void*)(intptr_t)(40 + i)));
            for (;;) pause();
        }
        CHECK_SYS(close(p[1]));
        CHECK_EXITED(child, 40 + i);
        char text[4];
        CHECK_EQ(read(p[0], text, 4), 1);
        MIGRATE_POINT();
        CHECK_SYS(close(p[0]));
    }
    test_done();
}
