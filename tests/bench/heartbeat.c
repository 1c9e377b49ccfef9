// What a program feels of its moves, from inside: a thread that reads the clock in a loop and remembers its longest gap, one
// that makes a call every millisecond (getppid: sent home while the program is away) and remembers the slowest, and a writer
// that changes random pages. Told on its standard input, a line each; each is answered by one line:
//   fill BYTES       has so much incompressible memory from now on; the answer is its checksum
//   write RATE       pages a second that are written from now on
//   threads N        so many threads more: half of them wait, the others wake up every 100 ms
//   mappings N       so many mappings more, of a page each
//   reserve BYTES    so much address space more, of which it uses nothing
//   begin            forgets what was the longest
//   report           longest gap and slowest call since, in microseconds, and pages written
//   check            whether the memory holds what the writer has written: the writer waits meanwhile
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

enum { PAGE = 4096, WORDS = PAGE / 8, KEPT = 5 };

static uint64_t *memory, *versions;  // of each page: how often it was written
static size_t pages;
static _Atomic long rate;
static _Atomic int64_t longest_gap, slowest_call;
static _Atomic long written;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

static uint64_t next_random(uint64_t* state) {  // xorshift64*
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

static void keep_longest(_Atomic int64_t* longest, int64_t took) {
    if (took > atomic_load(longest)) atomic_store(longest, took);
}

static void* beat(void* unused) {
    int64_t before = now_ns();
    for (;;) {
        int64_t now = now_ns();
        keep_longest(&longest_gap, now - before);
        before = now;
    }
    return unused;
}

static void* call(void* unused) {
    for (;;) {
        int64_t before = now_ns();
        syscall(SYS_getppid);
        keep_longest(&slowest_call, now_ns() - before);
        usleep(1000);
    }
    return unused;
}

// A page's n-th version is told by its number and n.
static uint64_t word_of(size_t page, uint64_t version) { return (page * 2654435761u) ^ (version << 32) ^ 0x5bd1e995; }

static void* write_pages(void* unused) {
    uint64_t state = 88172645463325252ULL;
    for (;;) {
        long per_ms = atomic_load(&rate) / 1000;
        pthread_mutex_lock(&writing);
        for (long n = 0; n < per_ms && pages > 0; n++) {
            size_t page = next_random(&state) % pages;
            memory[page * WORDS + KEPT] = word_of(page, ++versions[page]);
        }
        pthread_mutex_unlock(&writing);
        atomic_fetch_add(&written, per_ms);
        usleep(1000);
    }
    return unused;
}

static void fill(size_t bytes) {
    pthread_mutex_lock(&writing);
    if (memory != NULL) munmap(memory, pages * PAGE), free(versions);
    pages = bytes / PAGE;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    versions = calloc(pages, sizeof *versions);
    if (memory == MAP_FAILED || versions == NULL) die("memory");
    uint64_t state = 12345;
    for (size_t i = 0; i < pages * WORDS; i++) memory[i] = next_random(&state);
    for (size_t page = 0; page < pages; page++) memory[page * WORDS + KEPT] = word_of(page, 0);
    pthread_mutex_unlock(&writing);
    printf("filled\n");
}

static void* wait_for_ever(void* unused) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    for (;;) pthread_cond_wait(&never, &mutex);
    return unused;
}

static void* wake_up_often(void* unused) {
    for (;;) usleep(100000);
    return unused;
}

static void make_threads(long count) {
    pthread_t thread;
    for (long i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, i % 2 ? wake_up_often : wait_for_ever, NULL)) die("pthread_create");
    printf("%ld\n", count);
}

// Every second page can't be read, so that no two are one mapping.
static void make_mappings(long count) {
    char* all = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) die("mmap");
    memset(all, 1, (size_t)count * PAGE);
    for (long i = 0; i < count; i += 2)
        if (mprotect(all + i * PAGE, PAGE, PROT_NONE) != 0) die("mprotect");
    printf("%ld\n", count);
}

static void reserve(size_t bytes) {
    void* all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) die("mmap");
    printf("reserved\n");
}

static void check(void) {
    pthread_mutex_lock(&writing);
    size_t wrong = 0;
    uint64_t state = 12345;
    for (size_t page = 0; page < pages; page++) {
        bool is_right = true;
        for (size_t i = 0; i < WORDS; i++) {
            uint64_t expected = next_random(&state);
            if (i == KEPT) expected = word_of(page, versions[page]);
            is_right = is_right && memory[page * WORDS + i] == expected;
        }
        wrong += !is_right;
    }
    pthread_mutex_unlock(&writing);
    printf("%zu wrong\n", wrong);
}

int main(void) {
    char line[100];
    long n;
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pthread_create(&thread, NULL, beat, NULL) || pthread_create(&thread, NULL, call, NULL) ||
        pthread_create(&thread, NULL, write_pages, NULL))
        die("pthread_create");
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "fill %ld", &n) == 1) {
            fill((size_t)n);
        } else if (sscanf(line, "write %ld", &n) == 1) {
            atomic_store(&rate, n);
            printf("%ld\n", n);
        } else if (sscanf(line, "threads %ld", &n) == 1) {
            make_threads(n);
        } else if (sscanf(line, "mappings %ld", &n) == 1) {
            make_mappings(n);
        } else if (sscanf(line, "reserve %ld", &n) == 1) {
            reserve((size_t)n);
        } else if (strcmp(line, "begin\n") == 0) {
            atomic_store(&longest_gap, 0), atomic_store(&slowest_call, 0), atomic_store(&written, 0);
            printf("begun\n");
        } else if (strcmp(line, "report\n") == 0) {
            printf("%lld %lld %ld\n", (long long)longest_gap / 1000, (long long)slowest_call / 1000, (long)written);
        } else if (strcmp(line, "check\n") == 0) {
            check();
        } else {
            return 2;
        }
    }
    return 0;
}
