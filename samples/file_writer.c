// file_writer: appends numbered records to a file, each with a checksum, reads some back at random, and reads
// all back at the end. Watch while it moves: the file stays on the home machine and grows there (`tail -f`),
// no record is lost or doubled. Usage: file_writer [--seconds N] [--path FILE]  (without a path: a temporary
// file, removed at the end)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_record(char* record, long n) {
    uint64_t hash = (uint64_t)n * 0x9E3779B97F4A7C15ULL;
    char text[128];
    int length = snprintf(text, sizeof text, "record %012ld checksum %016llx", n, (unsigned long long)hash);
    memset(record, ' ', SIZE);
    memcpy(record, text, length < SIZE - 1 ? (size_t)length : SIZE - 1);
    record[SIZE - 1] = '\n';
}

static int check(int fd, long n) {
    char record[SIZE], expected[SIZE];
    make_record(expected, n);
    if (pread(fd, record, SIZE, n * SIZE) != SIZE || memcmp(record, expected, SIZE) != 0)
        return fprintf(stderr, "file_writer: record %ld is wrong\n", n), 1;
    return 0;
}

int main(int argc, char** argv) {
    int seconds = 10;
    char made[] = "/tmp/file_writer.XXXXXX";
    const char* path = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) seconds = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--path") == 0) path = argv[i + 1];
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0644) : mkstemp(made);
    if (fd < 0) return perror("file_writer: open"), 1;
    if (!path) unlink(made);
    double end = now() + seconds, report = now();
    long n = 0;
    uint64_t seed = 88172645463325252ULL;
    for (; now() < end; n++) {
        char record[SIZE];
        make_record(record, n);
        if (write(fd, record, SIZE) != SIZE) return perror("file_writer: write"), 1;
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        if (n % 16 == 0 && check(fd, (long)(seed % (uint64_t)(n + 1))) != 0) return 1;
        if (n % 64 == 63) {
            struct timespec pause = {0, 2000000};
            nanosleep(&pause, NULL);
        }
        if (now() - report >= 0.5) {
            report = now();
            printf("file_writer %ld records\n", n + 1);
        }
    }
    if (lseek(fd, 0, SEEK_CUR) != n * SIZE || lseek(fd, 0, SEEK_END) != n * SIZE)
        return fprintf(stderr, "file_writer: the file hasn't %ld records\n", n), 1;
    for (long i = 0; i < n; i++)
        if (check(fd, i) != 0) return 1;
    puts("file_writer: ok");
    return 0;
}
