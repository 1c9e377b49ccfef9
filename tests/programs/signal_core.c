// Killed by a signal that dumps core: the parent sees the core flag, and the core holds the program's own memory.
#include <sys/resource.h>
#include <sys/stat.h>
#include "pmi_test.h"
static const char kMark[] = "the mark that the core must hold";
static bool core_holds_mark(const char* path, size_t size) {
    FILE* core = fopen(path, "rb");
    if (core == NULL) return false;
    static char buffer[1 << 16];
    size_t kept = 0, got;
    bool found = false;
    while (!found && (got = fread(buffer + kept, 1, sizeof buffer - kept, core)) > 0) {
        found = memmem(buffer, kept + got, kMark, size) != NULL;
        kept = kept + got < size ? kept + got : size;
        memmove(buffer, buffer + (sizeof buffer - kept), kept);
    }
    fclose(core);
    return found;
}
static void die(int sig) {
    char* secret = malloc(sizeof kMark);
    // Reversed and back, so that only the heap of this process holds it as one.
    for (size_t i = 0; i < sizeof kMark; i++) secret[i] = kMark[i] ^ 1;
    MIGRATE_POINT();
    for (size_t i = 0; i < sizeof kMark; i++) secret[i] ^= 1;
    if (sig == SIGABRT) abort();
    raise(sig);
    _exit(9);
}
int main(void) {
    char pattern[256] = "";
    FILE* file = fopen("/proc/sys/kernel/core_pattern", "r");
    if (file != NULL) {
        CHECK(fgets(pattern, sizeof pattern, file) != NULL);
        fclose(file);
    }
    struct rlimit limit;
    CHECK_SYS(getrlimit(RLIMIT_CORE, &limit));
    if (limit.rlim_max == 0) test_skip("no core dumps allowed");
    limit.rlim_cur = limit.rlim_max;
    CHECK_SYS(setrlimit(RLIMIT_CORE, &limit));
    enter_scratch();
    const int signals[] = {SIGABRT, SIGQUIT, SIGSEGV};
    for (int i = 0; i < 3; i++) {
        pid_t child = CHECK_SYS(fork());
        if (child == 0) die(signals[i]);
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), signals[i]);
        char name[64];
        snprintf(name, sizeof name, "core.%d", child);
        const char* path = access(name, F_OK) == 0 ? name : "core";
        if (strcmp(pattern, "core\n") == 0 || strcmp(pattern, "core.%p\n") == 0) {
            CHECK(WCOREDUMP(status));
            CHECK(core_holds_mark(path, sizeof kMark));
        }
    }
    test_done();
}
