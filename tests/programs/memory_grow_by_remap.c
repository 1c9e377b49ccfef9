// A mapping that grows by mremap, little by little, stays one mapping, wherever it grew: one that mremap has moved before (its page
// offset is that of its first place), in the program, and in a child that has its pages from its parent.
#include "pmi_test.h"
enum { PAGE = 4096, STEP = 4, STEPS = 120, EVERY = 12 };

static int value_of(int page) { return page * 7 % 251 + 1; }
static void check(const char* at, int pages) {
    for (int i = 0; i < pages; i++) CHECK_EQ((unsigned char)at[i * PAGE + i % PAGE], value_of(i));
}
static char* grow(char* at, int pages) {
    at = CHECK_MMAP(mremap(at, (size_t)pages * PAGE, (size_t)(pages + STEP) * PAGE, MREMAP_MAYMOVE));
    for (int i = pages; i < pages + STEP; i++) {
        CHECK_EQ(at[i * PAGE], 0);
        at[i * PAGE + i % PAGE] = (char)value_of(i);
    }
    return at;
}
static void grow_and_check(char* at, int from) {
    struct timespec nap = {0, 2000000};
    for (int i = 0, pages = from; i < STEPS; i++, pages += STEP) {
        at = grow(at, pages);
        if (i % EVERY == 0) MIGRATE_POINT();
        nanosleep(&nap, NULL);
        check(at, pages + STEP);
    }
}

int main(void) {
    char* first = CHECK_MMAP(mmap(NULL, STEP * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    first[0] = 1;
    char* memory = CHECK_MMAP(mmap(NULL, 4 * STEPS * STEP * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_SYS(munmap(memory, 4 * STEPS * STEP * PAGE));
    memory = CHECK_MMAP(mremap(first, STEP * PAGE, STEP * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory));
    for (int i = 0; i < STEP; i++) memory[i * PAGE + i % PAGE] = (char)value_of(i);
    pid_t child = CHECK_SYS(fork());
    grow_and_check(memory, STEP);
    if (child == 0) _exit(0);
    int status;
    CHECK_EQ(CHECK_SYS(waitpid(child, &status, 0)), child);
    CHECK_EQ(status, 0);
    test_done();
}
