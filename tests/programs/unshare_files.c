// A thread that unshares its descriptor table and its working directory has its own from then on.
#include "pmi_test.h"
static atomic_int step;
static void* thread_main(void* argument) {
    CHECK_SYS(unshare(CLONE_FILES | CLONE_FS));
    CHECK_SYS(chdir("/"));
    CHECK_EQ(dup2(0, 555), 555);
    step = 1;
    WAIT_FOR(step == 2);
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_STR(cwd, "/");
    CHECK_EQ(fcntl(555, F_GETFD), 0);
    CHECK_ERRNO(fcntl(666, F_GETFD), EBADF);
    return argument;
}
int main(void) {
    const char* scratch = enter_scratch();
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, thread_main, NULL));
    WAIT_FOR(step == 1);
    MIGRATE_POINT();
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_STR(cwd, scratch);
    CHECK_ERRNO(fcntl(555, F_GETFD), EBADF);
    CHECK_EQ(dup2(0, 666), 666);
    step = 2;
    MIGRATE_POINT();
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
