// clock_watch: reads the clocks without a pause and tells the longest gap of each interval, that is, how long
// the program felt frozen. Watch while it moves: monotonic and boot time never go back nor jump, the wall
// clock agrees with home's, CPU time grows with the work. Fails on any step back, or on a jump of more than
// --limit milliseconds (default 5000). Usage: clock_watch [--seconds N] [--limit MS]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLOCKS = 4 };
static const clockid_t ids[CLOCKS] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID};
static const char* const names[CLOCKS] = {"monotonic", "boottime", "realtime", "cpu"};

static int64_t read_clock(int which) {
    struct timespec t;
    clock_gettime(ids[which], &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char** argv) {
    int64_t seconds = 10, limit = 5000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) seconds = atol(argv[i + 1]);
        if (strcmp(argv[i], "--limit") == 0) limit = atol(argv[i + 1]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int64_t last[CLOCKS], gap[CLOCKS] = {0}, start = read_clock(0), report = start;
    for (int i = 0; i < CLOCKS; i++) last[i] = read_clock(i);
    while (last[0] - start < seconds * 1000000000LL) {
        for (int i = 0; i < CLOCKS; i++) {
            int64_t now = read_clock(i), step = now - last[i];
            if (step < 0 || step > limit * 1000000)
                return fprintf(stderr, "clock_watch: %s went from %lld to %lld ns\n", names[i], (long long)last[i], (long long)now),
                       1;
            if (step > gap[i]) gap[i] = step;
            last[i] = now;
        }
        if (last[0] - report >= 500000000) {
            printf("clock_watch longest gaps:");
            for (int i = 0; i < CLOCKS; i++) printf(" %s %.3f ms", names[i], (double)gap[i] / 1e6);
            putchar('\n');
            memset(gap, 0, sizeof gap);
            report = last[0];
        }
    }
    puts("clock_watch: ok");
    return 0;
}
