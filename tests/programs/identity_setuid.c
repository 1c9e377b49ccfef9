// A child of root gives up its rights for good: uid, gid, groups, also in its threads.
#include "pmi_test.h"
#include <grp.h>
static void* in_thread(void* argument) {
    MIGRATE_POINT();
    CHECK_EQ(syscall(SYS_geteuid), 65534);
    return argument;
}
static atomic_int hold = 1;
static void* early(void* argument) {  // made before the change: glibc changes every thread
    WAIT_FOR(hold == 0);
    CHECK_EQ(syscall(SYS_geteuid), 65534);
    return argument;
}
int main(void) {
    if (geteuid() != 0) test_skip("needs root");
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread, before;
        CHECK_ZERO(pthread_create(&before, NULL, early, NULL));
        gid_t group = 12345, read_back;
        if (setgroups(1, &group) == -1) _exit(77);
        CHECK_SYS(setresgid(65534, 65534, 65534));
        CHECK_SYS(setresuid(65534, 65534, 65534));
        hold = 0;
        CHECK_ZERO(pthread_join(before, NULL));
        CHECK_EQ(getuid(), 65534);
        CHECK_ERRNO(setuid(0), EPERM);
        CHECK_EQ(getgroups(1, &read_back), 1);
        CHECK_EQ(read_back, 12345);
        CHECK_ZERO(pthread_create(&thread, NULL, in_thread, NULL));
        CHECK_ZERO(pthread_join(thread, NULL));
        _exit(0);
    }
    int status = wait_status(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) test_skip("no setgroups here");
    CHECK_EQ(status, 0);
    CHECK_EQ(geteuid(), 0);
    test_done();
}
