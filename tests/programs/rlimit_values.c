// Resource limits are kept, inherited, and enforced: RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_CORE.
#include "pmi_test.h"
static volatile sig_atomic_t too_big;
static void on_xfsz(int sig) {
    (void)sig;
    too_big++;
}
int main(void) {
    enter_scratch();
    struct rlimit core = {0, 4096}, now, old;
    CHECK_SYS(getrlimit(RLIMIT_CORE, &old));
    if (old.rlim_max < core.rlim_max) core.rlim_max = old.rlim_max;
    CHECK_SYS(setrlimit(RLIMIT_CORE, &core));
    MIGRATE_POINT();
    CHECK_SYS(getrlimit(RLIMIT_CORE, &now));
    CHECK_EQ(now.rlim_cur, 0);
    CHECK_EQ(now.rlim_max, core.rlim_max);
    CHECK_SYS(prlimit(0, RLIMIT_STACK, NULL, &now));
    CHECK(now.rlim_cur > 0);
    struct sigaction action = {.sa_handler = on_xfsz};
    CHECK_SYS(sigaction(SIGXFSZ, &action, NULL));
    CHECK_SYS(getrlimit(RLIMIT_FSIZE, &old));
    struct rlimit small = {10000, old.rlim_max};
    CHECK_SYS(setrlimit(RLIMIT_FSIZE, &small));
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    static char data[16384];
    MIGRATE_POINT();
    CHECK_EQ(write(fd, data, sizeof data), 10000);
    CHECK_EQ(too_big, 0);
    CHECK_ERRNO(write(fd, data, 1), EFBIG);
    CHECK_EQ(too_big, 1);
    CHECK_SYS(setrlimit(RLIMIT_FSIZE, &old));
    pid_t child = fork();
    if (child == 0) {
        struct rlimit space = {1ULL << 36, 1ULL << 36};
        CHECK_SYS(setrlimit(RLIMIT_AS, &space));
        MIGRATE_POINT();
        CHECK_SYS(getrlimit(RLIMIT_AS, &now));
        CHECK_EQ(now.rlim_cur, 1ULL << 36);
        CHECK(mmap(NULL, 1ULL << 37, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED);
        CHECK_EQ(errno, ENOMEM);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    test_done();
}
