// /proc/self/status: Name, Pid, Tgid, PPid, Uid, Threads and signal masks are the program's own.
#include "pmi_test.h"
static char text[16384];
static unsigned long long field(const char* name, int base) {
    char key[32];
    snprintf(key, sizeof key, "\n%s:", name);
    char* at = strstr(text, key);
    if (!at) FAIL("no %s in status", name);
    return strtoull(at + strlen(key), NULL, base);
}
static void nothing(int sig) { (void)sig; }
static atomic_int stop;
static void* waiter(void* argument) {
    WAIT_FOR(stop);
    return argument;
}
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    CHECK(signal(SIGUSR2, nothing) != SIG_ERR);
    CHECK_SYS(kill(getpid(), SIGUSR1));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, waiter, NULL));
    MIGRATE_POINT();
    slurp("/proc/self/status", text, sizeof text);
    CHECK(strncmp(text, "Name:\tproc_status\n", 18) == 0);
    CHECK_EQ(field("Pid", 10), getpid());
    CHECK_EQ(field("Tgid", 10), getpid());
    CHECK_EQ(field("PPid", 10), getppid());
    CHECK_EQ(field("Uid", 10), getuid());
    CHECK_EQ(field("Threads", 10), 2);
    CHECK_EQ(field("SigBlk", 16), (1ULL << (SIGUSR1 - 1)) | (1ULL << SIGRTMIN));
    CHECK_EQ(field("ShdPnd", 16), 1ULL << (SIGUSR1 - 1));
    CHECK(field("SigIgn", 16) & (1ULL << (SIGHUP - 1)));
    CHECK(field("SigCgt", 16) & (1ULL << (SIGUSR2 - 1)));
    CHECK(!(field("SigCgt", 16) & (1ULL << (SIGUSR1 - 1))));
    CHECK_EQ(field("TracerPid", 10) != (unsigned long long)getpid(), 1);
    stop = 1;
    CHECK_ZERO(pthread_join(thread, NULL));
    MIGRATE_POINT();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", getpid());
    slurp(path, text, sizeof text);
    CHECK_EQ(field("Threads", 10), 1);
    CHECK(field("VmRSS", 10) > 0);
    test_done();
}
