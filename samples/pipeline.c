// pipeline: three processes joined by pipes: one numbers lines, one reverses them, one checks that every line
// comes exactly once and in order. Watch while any of the three moves by itself: the others go on, nothing is
// lost or doubled, end of file arrives. The PIDs are printed first. Usage: pipeline [--seconds N]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int generate(int out, int seconds) {
    FILE* file = fdopen(out, "w");
    double end = now() + seconds;
    long n = 0;
    for (; now() < end; n++) {
        if (fprintf(file, "%ld\n", n) < 0) return perror("pipeline: generate"), 1;
        if (n % 1000 == 999) {
            if (fflush(file) != 0) return perror("pipeline: generate"), 1;
            struct timespec pause = {0, 5000000};
            nanosleep(&pause, NULL);
        }
    }
    if (fprintf(file, "end %ld\n", n) < 0 || fclose(file) != 0) return perror("pipeline: generate"), 1;
    return 0;
}

static int reverse(int in, int out) {
    FILE *from = fdopen(in, "r"), *to = fdopen(out, "w");
    char line[64];
    while (fgets(line, sizeof line, from)) {
        size_t length = strcspn(line, "\n");
        for (size_t i = 0; i < length / 2; i++) {
            char c = line[i];
            line[i] = line[length - 1 - i];
            line[length - 1 - i] = c;
        }
        if (fputs(line, to) < 0) return perror("pipeline: reverse"), 1;
    }
    if (ferror(from) || fclose(to) != 0) return perror("pipeline: reverse"), 1;
    return 0;
}

static int check(int in) {
    FILE* from = fdopen(in, "r");
    char line[64], expected[64];
    long n = 0;
    double report = now();
    while (fgets(line, sizeof line, from)) {
        size_t length = strcspn(line, "\n");
        for (size_t i = 0; i < length; i++) expected[i] = line[length - 1 - i];
        expected[length] = 0;
        if (strncmp(expected, "end ", 4) == 0) {
            if (atol(expected + 4) != n) return fprintf(stderr, "pipeline: %s, but %ld came\n", expected, n), 1;
            if (fgets(line, sizeof line, from)) return fprintf(stderr, "pipeline: more after the end\n"), 1;
            return 0;
        }
        if (atol(expected) != n) return fprintf(stderr, "pipeline: line %ld is \"%s\"\n", n, expected), 1;
        n++;
        if (now() - report >= 0.5) {
            report = now();
            printf("pipeline %ld lines checked\n", n);
        }
    }
    return fprintf(stderr, "pipeline: no end after %ld lines\n", n), 1;
}

int main(int argc, char** argv) {
    int seconds = argc > 2 && strcmp(argv[1], "--seconds") == 0 ? atoi(argv[2]) : 10;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int a[2], b[2];
    if (pipe(a) != 0 || pipe(b) != 0) return perror("pipeline: pipe"), 1;
    pid_t generator = fork();
    if (generator == 0) {
        close(a[0]), close(b[0]), close(b[1]);
        exit(generate(a[1], seconds));
    }
    pid_t reverser = fork();
    if (reverser == 0) {
        close(a[1]), close(b[0]);
        exit(reverse(a[0], b[1]));
    }
    close(a[0]), close(a[1]), close(b[1]);
    if (generator < 0 || reverser < 0) return perror("pipeline: fork"), 1;
    printf("pipeline generator %d reverser %d checker %d\n", generator, reverser, getpid());
    int result = check(b[0]), status;
    if (waitpid(generator, &status, 0) != generator || status != 0) result = 1;
    if (waitpid(reverser, &status, 0) != reverser || status != 0) result = 1;
    if (result == 0) puts("pipeline: ok");
    return result;
}
