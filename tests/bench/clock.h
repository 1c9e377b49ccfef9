// What the measuring programs share: the clock, fatal errors, and figures of a row of samples.
#pragma once
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((noreturn)) static inline void die(const char* what) {
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}
// The result of a call that must not fail.
static inline long must(long result, const char* what) {
    if (result < 0) die(what);
    return result;
}
#define MUST(call) must((call), #call)

static inline int compare_ns(const void* a, const void* b) {
    int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
    return (x > y) - (x < y);
}
// Sorts them.
static inline int64_t quantile(int64_t* samples, size_t count, double q) {
    qsort(samples, count, sizeof *samples, compare_ns);
    return samples[(size_t)((double)(count - 1) * q)];
}

// Samples are stored before the clock runs, so that no first touch of their pages is measured.
static inline int64_t* new_samples(size_t count) {
    int64_t* samples = malloc(count * sizeof *samples);
    if (samples == NULL) die("malloc");
    memset(samples, 1, count * sizeof *samples);
    return samples;
}
