// Limits on memory that are set away hold as they do at home: there, on the next node, in a child, and on the way home, where what
// was given back makes room for what was mapped.
#include "pmi_test.h"
static const size_t kMiB = 1 << 20;

static size_t mapped(void) {
    char text[256];
    slurp("/proc/self/statm", text, sizeof text);
    return (size_t)atol(text) * 4096;
}
static void limit(int what, size_t bytes) {
    struct rlimit l;
    CHECK_SYS(getrlimit(what, &l));
    l.rlim_cur = bytes;
    CHECK_SYS(setrlimit(what, &l));
}
static int can_map(size_t bytes) {
    void* p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) CHECK_SYS(munmap(p, bytes));
    return p != MAP_FAILED;
}

static void moves_up_and_down(int what, size_t bytes) {
    size_t size = 200 * kMiB;
    char* area = CHECK_MMAP(mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    CHECK_SYS(munmap(area, 3 * size));
    char* high = CHECK_MMAP(mmap(area + 2 * size, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    high[5] = 5;
    limit(what, bytes + size + 120 * kMiB);
    MIGRATE_POINT();
    CHECK_EQ(high[5], 5);
    CHECK_SYS(munmap(high, size));
    char* low = CHECK_MMAP(mmap(area, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    low[5] = 6;
    char* rest = CHECK_MMAP(mmap(NULL, 100 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    rest[7] = 7;
    MIGRATE_POINT();
    CHECK_EQ(low[5], 6);
    CHECK_EQ(rest[7], 7);
    CHECK_SYS(munmap(rest, 100 * kMiB));
    CHECK_SYS(munmap(low, size));
    limit(what, RLIM_INFINITY);
}

static void hold(int what, size_t bytes) {
    MIGRATE_POINT();
    limit(what, bytes + 100 * kMiB);
    for (int i = 0; i < 3; i++) {
        CHECK(can_map(80 * kMiB));
        CHECK(!can_map(120 * kMiB));
        MIGRATE_POINT();
    }
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        CHECK(!can_map(120 * kMiB));
        MIGRATE_POINT();
        CHECK(!can_map(120 * kMiB));
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    limit(what, RLIM_INFINITY);
    CHECK(can_map(120 * kMiB));
}

int main(void) {
    hold(RLIMIT_AS, mapped());
    hold(RLIMIT_DATA, 10 * kMiB);
    moves_up_and_down(RLIMIT_AS, mapped());
    moves_up_and_down(RLIMIT_DATA, 30 * kMiB);
    test_done();
}
