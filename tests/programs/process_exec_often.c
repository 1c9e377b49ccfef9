// A program that starts itself again and again, mostly while somebody wants to move it: each image goes on where the last one was.
#include "pmi_test.h"
enum { IMAGES = 120, EVERY = 30 };
int main(int argc, char** argv) {
    int image = argc > 1 ? atoi(argv[1]) : 0;
    if (image == 0) {
        char pid[16];
        snprintf(pid, sizeof pid, "%d", getpid());
        CHECK_SYS(setenv("PMI_TEST_PID", pid, 1));
    }
    CHECK_EQ(atoi(getenv("PMI_TEST_PID")), getpid());
    if (image % EVERY == 0) MIGRATE_POINT();
    usleep((useconds_t)(image * 211 % 19) * 1000);
    if (image == IMAGES) test_done();
    char next[16];
    snprintf(next, sizeof next, "%d", image + 1);
    char* arguments[] = {argv[0], next, NULL};
    CHECK_SYS(execv("/proc/self/exe", arguments));
}
