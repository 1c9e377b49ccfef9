// Many threads with large writes and large reads at once, so that both directions between a program and its kernel are full:
// each call is done in good time, and each byte is right.
#include "pmi_test.h"
enum { kBlock = 16 << 20, kThreads = 3, kRounds = 5, kStreams = 2, kStreamed = 64 << 20, kPart = 2 << 20 };
static atomic_llong slowest_ns;
static atomic_int rounds_done;
static void note(int64_t began_ns) {
    long long took = now_ns() - began_ns, slowest = atomic_load(&slowest_ns);
    while (took > slowest && !atomic_compare_exchange_weak(&slowest_ns, &slowest, took)) {
    }
}
static char value(size_t at, int who) { return (char)((at / 64 + (size_t)who * 17) % 251); }
static void fill(char* block, size_t size, size_t at, int who) {
    for (size_t i = 0; i < size; i++) block[i] = value(at + i, who);
}
static void check(const char* block, size_t size, size_t at, int who) {
    for (size_t i = 0; i < size; i += 61)
        if (block[i] != value(at + i, who)) FAIL("byte %zu of %d is %d, not %d", at + i, who, block[i], value(at + i, who));
}
static int files[2 * kThreads], ends[kStreams][2];
static void* write_file(void* argument) {
    int who = (int)(intptr_t)argument;
    char* block = malloc(kBlock);
    CHECK(block != NULL);
    for (int round = 0; round < kRounds; round++) {
        fill(block, kBlock, (size_t)round, who);
        int64_t began_ns = now_ns();
        CHECK_EQ(CHECK_SYS(pwrite(files[who], block, kBlock, 0)), kBlock);
        note(began_ns);
        atomic_fetch_add(&rounds_done, 1);
    }
    free(block);
    return NULL;
}
static void* read_file(void* argument) {
    int who = (int)(intptr_t)argument;
    char* block = malloc(kBlock);
    CHECK(block != NULL);
    for (int round = 0; round < kRounds; round++) {
        memset(block, 0, kBlock);
        int64_t began_ns = now_ns();
        CHECK_EQ(CHECK_SYS(pread(files[who], block, kBlock, 0)), kBlock);
        note(began_ns);
        check(block, kBlock, 0, who);
        atomic_fetch_add(&rounds_done, 1);
    }
    free(block);
    return NULL;
}
static void* stream_out(void* argument) {
    int who = (int)(intptr_t)argument;
    char* block = malloc(kPart);
    CHECK(block != NULL);
    for (size_t at = 0; at < kStreamed; at += kPart) {
        fill(block, kPart, at, who);
        write_all(ends[who][0], block, kPart);
    }
    free(block);
    return NULL;
}
static void* stream_in(void* argument) {
    int who = (int)(intptr_t)argument;
    char* block = malloc(kPart);
    CHECK(block != NULL);
    for (size_t at = 0; at < kStreamed; at += kPart) {
        read_all(ends[who][1], block, kPart);
        check(block, kPart, at, who);
    }
    free(block);
    return NULL;
}
int main(void) {
    enter_scratch();
    char* block = malloc(kBlock);
    CHECK(block != NULL);
    for (int i = 0; i < 2 * kThreads; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%d", i);
        files[i] = (int)CHECK_SYS(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
        fill(block, kBlock, 0, i);
        write_all(files[i], block, kBlock);
    }
    MIGRATE_POINT();
    pthread_t threads[2 * kThreads + 2 * kStreams];
    int made = 0;
    for (int i = 0; i < kThreads; i++) {
        CHECK_ZERO(pthread_create(&threads[made++], NULL, write_file, (void*)(intptr_t)i));
        CHECK_ZERO(pthread_create(&threads[made++], NULL, read_file, (void*)(intptr_t)(kThreads + i)));
    }
    for (int i = 0; i < kStreams; i++) {
        CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]));
        CHECK_ZERO(pthread_create(&threads[made++], NULL, stream_out, (void*)(intptr_t)i));
        CHECK_ZERO(pthread_create(&threads[made++], NULL, stream_in, (void*)(intptr_t)i));
    }
    for (int moved = 1; moved <= 4; moved++) {  // in the middle of it
        WAIT_FOR(atomic_load(&rounds_done) >= moved * 2 * kThreads * kRounds / 5);
        MIGRATE_POINT();
    }
    for (int i = 0; i < made; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    for (int i = 0; i < kThreads; i++) {
        CHECK_EQ(CHECK_SYS(pread(files[i], block, kBlock, 0)), kBlock);
        check(block, kBlock, kRounds - 1, i);
    }
    // A connection counts as cut when nothing gets through for 9 s.
    if (atomic_load(&slowest_ns) > 8 * NSEC_PER_SEC)
        FAIL("a call of %d MiB took %.1f s", kBlock >> 20, (double)atomic_load(&slowest_ns) / 1e9);
    free(block);
    test_done();
}
