// Eight threads that keep their memory under check, while it is written, mapped, moved, given back, forked and stored in a file.
//   soak MEGABYTES     until its standard input ends; then a line "ROUNDS rounds, ERRORS errors", status 1 with errors
// What is wrong is said on standard error at once.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, WRITERS = 4 };

static _Atomic long rounds, errors;
static _Atomic int stopping;
static size_t pages_each;

static void wrong(const char* what, long a, long b) {
    atomic_fetch_add(&errors, 1);
    fprintf(stderr, "soak: %s: %ld instead of %ld\n", what, a, b);
}

static uint64_t next_random(uint64_t* state) {  // xorshift64*
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

static uint64_t word_of(uint64_t seed, size_t page, uint64_t version, size_t word) {
    return (seed * 0x9e3779b97f4a7c15u) ^ (page << 20) ^ (version << 40) ^ word;
}

static void write_page(uint64_t* page, uint64_t seed, size_t number, uint64_t version) {
    for (size_t i = 0; i < WORDS; i++) page[i] = version == 0 ? 0 : word_of(seed, number, version, i);
}

static int is_right(const uint64_t* page, uint64_t seed, size_t number, uint64_t version) {
    for (size_t i = 0; i < WORDS; i++)
        if (page[i] != (version == 0 ? 0 : word_of(seed, number, version, i))) return 0;
    return 1;
}

// Random pages get new contents or are given back; random pages are checked, and all of them now and then.
static void* writer(void* argument) {
    uint64_t seed = (uint64_t)(uintptr_t)argument, state = seed + 88172645463325252ULL;
    uint64_t* memory = mmap(NULL, pages_each * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t* versions = calloc(pages_each, sizeof *versions);
    if (memory == MAP_FAILED || versions == NULL) abort();
    for (long n = 1; !atomic_load(&stopping); n++) {
        for (int i = 0; i < 20; i++) {
            size_t page = next_random(&state) % pages_each;
            uint64_t* at = memory + page * WORDS;
            if (!is_right(at, seed, page, versions[page]))
                wrong("a page", (long)at[0], (long)word_of(seed, page, versions[page], 0));
            if (next_random(&state) % 8 == 0) {
                madvise(at, PAGE, MADV_DONTNEED), versions[page] = 0;
            } else {
                write_page(at, seed, page, (versions[page] % 1000000) + 1), versions[page] = (versions[page] % 1000000) + 1;
            }
        }
        for (size_t page = 0; n % 200 == 0 && page < pages_each; page++)
            if (!is_right(memory + page * WORDS, seed, page, versions[page])) wrong("page", (long)page, (long)versions[page]);
        atomic_fetch_add(&rounds, 1);
        usleep(500);
    }
    return NULL;
}

// Mappings come, grow, move, lose their middle, and go.
static void* mapper(void* unused) {
    uint64_t state = 4711;
    for (long n = 1; !atomic_load(&stopping); n++) {
        size_t pages = 4 + next_random(&state) % 60;
        uint64_t* a = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (a == MAP_FAILED) abort();
        for (size_t i = 0; i < pages; i++) write_page(a + i * WORDS, 77, i, (uint64_t)n);
        usleep(300);
        uint64_t* b = mremap(a, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
        if (b == MAP_FAILED) {
            wrong("mremap", -errno, 0);
            munmap(a, pages * PAGE);
            continue;
        }
        munmap(b + (pages / 2) * WORDS, PAGE);
        mprotect(b, PAGE, PROT_READ);
        usleep(300);
        for (size_t i = 0; i < pages; i++)
            if (i != pages / 2 && !is_right(b + i * WORDS, 77, i, (uint64_t)n)) wrong("a mapping's page", (long)i, n);
        if (b[2 * pages * WORDS - 1] != 0) wrong("a new page", (long)b[2 * pages * WORDS - 1], 0);
        munmap(b, 2 * pages * PAGE);
        atomic_fetch_add(&rounds, 1);
    }
    return unused;
}

// A child sees the memory as it was, and says so by its status.
static void* forker(void* unused) {
    static uint64_t page[WORDS];
    for (long n = 1; !atomic_load(&stopping); n++) {
        write_page(page, 5, 5, (uint64_t)n);
        pid_t child = fork();
        if (child < 0) {
            wrong("fork", -1, 0);
            continue;
        }
        if (child == 0) _exit(is_right(page, 5, 5, (uint64_t)n) ? (int)(n % 100) : 101);
        write_page(page, 5, 5, (uint64_t)n + 1);
        int status = 0;
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != n % 100)
            wrong("a child", status, n % 100 << 8);
        atomic_fetch_add(&rounds, 1);
        usleep(20000);
    }
    return unused;
}

static void* storer(void* unused) {
    FILE* file = tmpfile();
    if (file == NULL) abort();
    int fd = fileno(file);
    for (long n = 0; !atomic_load(&stopping); n++) {
        long got = -1;
        if (pwrite(fd, &n, sizeof n, n % 512 * (long)sizeof n) != sizeof n || lseek(fd, n, SEEK_SET) != n) wrong("pwrite", -1, n);
        if (pread(fd, &got, sizeof got, n % 512 * (long)sizeof n) != sizeof got || got != n) wrong("a file", got, n);
        if (lseek(fd, 0, SEEK_CUR) != n) wrong("a file's offset", lseek(fd, 0, SEEK_CUR), n);
        atomic_fetch_add(&rounds, 1);
        usleep(1000);
    }
    return unused;
}

int main(int argc, char** argv) {
    pages_each = (size_t)(argc > 1 ? atol(argv[1]) : 16) * (1 << 20) / PAGE / WRITERS;
    pthread_t threads[WRITERS + 3];
    int made = 0;
    for (uintptr_t i = 0; i < WRITERS; i++) made += pthread_create(&threads[i], NULL, writer, (void*)(i + 1)) == 0;
    made += pthread_create(&threads[WRITERS], NULL, mapper, NULL) == 0;
    made += pthread_create(&threads[WRITERS + 1], NULL, forker, NULL) == 0;
    made += pthread_create(&threads[WRITERS + 2], NULL, storer, NULL) == 0;
    if (made != WRITERS + 3) return 2;
    char line[100];
    while (fgets(line, sizeof line, stdin) != NULL) {
    }
    atomic_store(&stopping, 1);
    for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
    printf("%ld rounds, %ld errors\n", (long)rounds, (long)errors);
    return errors != 0;
}
