// Holds and changes much memory: MIB of it, WRITES pages a second. Prints a number every 20 ms. SIGTERM: it checks all of it,
// prints "ok" and ends with 7.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { kPage = 4096, kWords = kPage / 8 };
static volatile sig_atomic_t is_over;
static uint64_t state = 88172645463325252u;

static uint64_t chance(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static void end(int signal) {
    (void)signal;
    is_over = 1;
}
static uint64_t word(uint64_t page, uint64_t age) { return (page * 2654435761u) ^ (age << 40) ^ 1; }

static void check(const uint64_t* memory, uint64_t page, uint8_t age) {
    const uint64_t* p = memory + page * kWords;
    if (p[0] == word(page, age) && p[kWords - 1] == p[0] + kWords - 1) return;
    printf("page %lu is wrong\n", page);
    exit(1);
}
static void fill(uint64_t* memory, uint64_t page, uint8_t age) {
    uint64_t first = word(page, age);
    for (int i = 0; i < kWords; i++) memory[page * kWords + i] = i == 0 || i == kWords - 1 ? first + i : chance();
}

int main(int argc, char** argv) {
    uint64_t pages = strtoul(argv[1], NULL, 10) * 256, writes = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    signal(SIGTERM, end);
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t* memory = mmap(NULL, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t* ages = calloc(pages, 1);
    for (uint64_t i = 0; i < pages; i++) fill(memory, i, 0);
    for (int n = 1; !is_over; n++) {
        printf("%d\n", n);
        for (uint64_t i = 0; i < writes / 50; i++) {
            uint64_t page = chance() % pages;
            check(memory, page, ages[page]);
            fill(memory, page, ++ages[page]);
        }
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
    }
    for (uint64_t i = 0; i < pages; i++) check(memory, i, ages[i]);
    puts("ok");
    return 7;
}
