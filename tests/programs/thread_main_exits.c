// The first thread ends with pthread_exit, the others go on, and the last one's exit gives the status.
#include "pmi_test.h"
static void* other(void* argument) {
    pthread_t first = *(pthread_t*)argument;
    CHECK_ZERO(pthread_join(first, NULL));
    MIGRATE_POINT();
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    slurp(path, text, sizeof text);
    CHECK_EQ(strrchr(text, ')')[2], 'Z');  // the leader waits as a zombie
    CHECK(gettid() != getpid());
    MIGRATE_POINT();
    exit(44);
}
int main(void) {
    pid_t child = fork();
    if (child == 0) {
        static pthread_t self;
        self = pthread_self();
        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, NULL, other, &self));
        MIGRATE_POINT();
        pthread_exit(NULL);
    }
    CHECK_EXITED(child, 44);
    test_done();
}
