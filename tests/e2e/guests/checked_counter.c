// A program for the failure tests: prints 1, 2, ... COUNT, a line each, in steps of some milliseconds, and keeps MIB of
// memory whose contents it checks at each step, so that a move takes its time. A second thread forwards calls meanwhile.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void* call_home(void* unused) {
    for (;;) {
        syscall(SYS_getppid);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    return unused;
}

int main(int argc, char** argv) {
    long count = argc > 1 ? atol(argv[1]) : 100, mib = argc > 2 ? atol(argv[2]) : 16;
    size_t words = (size_t)mib << 17;
    uint64_t* memory = malloc(words * sizeof *memory);
    for (size_t i = 0; i < words; i++) memory[i] = i * 0x9e3779b97f4a7c15u;
    pthread_t thread;
    pthread_create(&thread, NULL, call_home, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long n = 1; n <= count; n++) {
        printf("%ld\n", n);
        for (size_t i = (size_t)n % 512; i < words; i += 512)
            if (memory[i] != i * 0x9e3779b97f4a7c15u) return fprintf(stderr, "memory differs at %zu\n", i), 3;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    return 0;
}
