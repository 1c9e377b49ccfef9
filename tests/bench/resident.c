// A program that stays, and measures what it is told on its standard input, a line each; each is answered by one line:
//   fill BYTES   has so much incompressible memory from now on; the answer is its checksum
//   check        the checksum of that memory
//   matrix N     milliseconds that N products of matrices take
//   touch N      reads a word of N random pages; how many of them took 10 us or longer, and p50 and p99 of these, in nanoseconds
//   walk N       milliseconds that N steps take through that memory, each to a place that the last one names
//   clock NAME N nanoseconds that reading a clock takes, of N readings: realtime, monotonic, coarse
//   ask NAME N   nanoseconds that a call takes, of N: getpid (syscall(2)), getuid (the C library's)
//   call NAME N  p50, p99 and mean of N calls, in nanoseconds: getppid (sent home), or
//                sigaction (which asks for a disposition: the node lets the guest's own kernel answer),
//                read (4 KiB of the file that was read last)
//   read BLOCK PATH  milliseconds that reading a file takes, in blocks of so many bytes
//   loop NAME N  nanoseconds that a call takes that needs nothing of home, of N: futex, mmap (with munmap), yield, mask,
//                same-mask
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

static uint64_t* memory;
static size_t words;

static uint64_t next_random(uint64_t* state) {  // xorshift64*
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

static void check(void) {
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++) sum = (sum << 1 | sum >> 63) ^ memory[i];
    printf("%016llx\n", (unsigned long long)sum);
}

static void fill(size_t bytes) {
    if (memory != NULL) munmap(memory, words * 8);
    words = bytes / 8;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    uint64_t state = 88172645463325252ULL;
    for (size_t i = 0; i < words; i++) memory[i] = next_random(&state);
    check();
}

static void touch(size_t count) {
    if (words == 0) die("touch without fill");
    int64_t* took = new_samples(count);
    uint64_t state = (uint64_t)now_ns() | 1, sum = 0;
    size_t waited = 0;
    for (size_t i = 0; i < count; i++) {
        volatile uint64_t* word = memory + next_random(&state) % (words / 512) * 512;
        int64_t before = now_ns();
        sum += *word;
        int64_t ns = now_ns() - before;
        if (ns >= 10000) took[waited++] = ns;
    }
    bool any = waited > 0;
    printf("%zu %lld %lld%s\n", waited, any ? (long long)quantile(took, waited, 0.5) : 0,
           any ? (long long)quantile(took, waited, 0.99) : 0, sum == 0 ? " " : "");
    free(took);
}

enum { SIDE = 96 };
static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static void matrix(long count) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) a[i][j] = (i + j) % 7 + 1, b[i][j] = (i * j) % 5 + 1;
    int64_t began = now_ns();
    for (long n = 0; n < count; n++) {
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                double sum = 0;
                for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        a[0][0] = c[n % SIDE][0] / 1e6;  // so that no product can be left out
    }
    printf("%.3f\n", (double)(now_ns() - began) / 1e6);
}

static void walk(long steps) {
    if (words == 0) die("walk without fill");
    uint64_t at = 1;
    int64_t began = now_ns();
    for (long n = 0; n < steps; n++) at = memory[at % words] + (uint64_t)n;
    int64_t took = now_ns() - began;
    printf("%.3f%s\n", (double)took / 1e6, at == 0 ? " " : "");
}

static void read_clock(const char* name, long count) {
    clockid_t id = strcmp(name, "realtime") == 0 ? CLOCK_REALTIME
                   : strcmp(name, "coarse") == 0 ? CLOCK_REALTIME_COARSE
                                                 : CLOCK_MONOTONIC;
    struct timespec t;
    int64_t began = now_ns();
    for (long n = 0; n < count; n++) clock_gettime(id, &t);
    printf("%.3f\n", (double)(now_ns() - began) / (double)count);
}

static void ask(const char* name, long count) {
    bool is_pid = strcmp(name, "getpid") == 0;
    int64_t began = now_ns();
    for (long n = 0; n < count; n++) {
        if (is_pid)
            syscall(SYS_getpid);
        else
            getuid();
    }
    printf("%.3f\n", (double)(now_ns() - began) / (double)count);
}

static char block[1 << 20];
static int file = -1;

static void read_file(size_t size, const char* path) {
    if (size > sizeof block) die("read in blocks of more than 1 MiB");
    if (file >= 0) close(file);
    int64_t began = now_ns();
    file = (int)MUST(open(path, O_RDONLY));
    while (MUST(read(file, block, size)) > 0) {
    }
    printf("%.3f\n", (double)(now_ns() - began) / 1e6);
}

static uint32_t word;
static void turn_futex(void) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }
static void turn_mmap(void) {
    munmap(mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 16384);
}
static void turn_yield(void) { sched_yield(); }
static void change_mask(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(how, &set, NULL);
}
static void turn_mask(void) {
    static int how = SIG_BLOCK;
    change_mask(how);
    how = how == SIG_BLOCK ? SIG_UNBLOCK : SIG_BLOCK;
}
static void turn_same_mask(void) { change_mask(SIG_BLOCK); }

static void loop(const char* name, long count) {
    void (*turn)(void) = strcmp(name, "futex") == 0       ? turn_futex
                         : strcmp(name, "mmap") == 0      ? turn_mmap
                         : strcmp(name, "yield") == 0     ? turn_yield
                         : strcmp(name, "same-mask") == 0 ? turn_same_mask
                                                          : turn_mask;
    int64_t began = now_ns();
    for (long n = 0; n < count; n++) turn();
    printf("%.3f\n", (double)(now_ns() - began) / (double)count);
}

static void call(const char* name, size_t count) {
    bool is_local = strcmp(name, "sigaction") == 0, is_read = strcmp(name, "read") == 0;
    int64_t* took = new_samples(count);
    int64_t began = now_ns();
    for (size_t i = 0; i < count; i++) {
        int64_t before = now_ns();
        if (is_local)
            syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8);
        else if (is_read)
            MUST(pread(file, block, 4096, (off_t)(i % 256 * 4096)));
        else
            syscall(SYS_getppid);
        took[i] = now_ns() - before;
    }
    double mean = (double)(now_ns() - began) / (double)count;
    printf("%lld %lld %.0f\n", (long long)quantile(took, count, 0.5), (long long)quantile(took, count, 0.99), mean);
    free(took);
}

int main(void) {
    char line[300], name[20], path[256];
    long n;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "fill %ld", &n) == 1)
            fill((size_t)n);
        else if (strcmp(line, "check\n") == 0)
            check();
        else if (sscanf(line, "matrix %ld", &n) == 1)
            matrix(n);
        else if (sscanf(line, "touch %ld", &n) == 1)
            touch((size_t)n);
        else if (sscanf(line, "walk %ld", &n) == 1)
            walk(n);
        else if (sscanf(line, "clock %19s %ld", name, &n) == 2)
            read_clock(name, n);
        else if (sscanf(line, "ask %19s %ld", name, &n) == 2)
            ask(name, n);
        else if (sscanf(line, "read %ld %255s", &n, path) == 2)
            read_file((size_t)n, path);
        else if (sscanf(line, "loop %19s %ld", name, &n) == 2)
            loop(name, n);
        else if (sscanf(line, "call %19s %ld", name, &n) == 2)
            call(name, (size_t)n);
        else
            return 2;
    }
    return 0;
}
