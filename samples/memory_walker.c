// memory_walker: writes at random all over a block of memory at a given rate and checks what it wrote before.
// Watch while it moves: size and rate decide how long pre-copy takes; no page may be old, empty or torn.
// Usage: memory_walker [--seconds N] [--mib N] [--pages-per-second N]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, WORDS = PAGE / 8 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t value(size_t page, uint32_t version, int word) {
    uint64_t x = (uint64_t)page * 0x9E3779B97F4A7C15ULL + ((uint64_t)version << 32) + (uint64_t)word;
    x ^= x >> 31;
    return x * 0xBF58476D1CE4E5B9ULL;
}

static void fill(uint64_t* memory, size_t page, uint32_t version) {
    for (int word = 0; word < WORDS; word++) memory[page * WORDS + (size_t)word] = value(page, version, word);
}

static int check(const uint64_t* memory, size_t page, uint32_t version) {
    for (int word = 0; word < WORDS; word++)
        if (memory[page * WORDS + (size_t)word] != value(page, version, word))
            return fprintf(stderr, "memory_walker: page %zu word %d isn't version %u\n", page, word, version), 1;
    return 0;
}

int main(int argc, char** argv) {
    int seconds = 10;
    size_t mib = 64;
    double rate = 5000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) seconds = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--mib") == 0) mib = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--pages-per-second") == 0) rate = atof(argv[i + 1]);
    }
    if (mib < 1 || rate <= 0) return fprintf(stderr, "memory_walker: bad size or rate\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t pages = mib << 8;
    uint64_t* memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t* versions = calloc(pages, sizeof *versions);
    if (memory == MAP_FAILED || !versions) return perror("memory_walker: memory"), 1;
    for (size_t page = 0; page < pages; page++) fill(memory, page, 0);
    double start = now(), report = start;
    uint64_t seed = 88172645463325252ULL;
    long written = 0;
    while (now() - start < seconds) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        size_t page = seed % pages;
        if (check(memory, page, versions[page]) != 0) return 1;
        fill(memory, page, ++versions[page]);
        written++;
        double ahead = start + (double)written / rate - now();
        if (ahead > 0.002) {
            struct timespec pause = {0, (long)((ahead < 0.5 ? ahead : 0.5) * 1e9)};
            nanosleep(&pause, NULL);
        } else if (ahead < -1) {  // was held up: don't hurry to catch up
            written += (long)(-ahead * rate);
        }
        if (now() - report >= 0.5) {
            report = now();
            printf("memory_walker %zu MiB, %ld pages written\n", mib, written);
        }
    }
    for (size_t page = 0; page < pages; page++)
        if (check(memory, page, versions[page]) != 0) return 1;
    puts("memory_walker: ok");
    return 0;
}
