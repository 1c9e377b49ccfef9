// Has memory that is worth rounds, and asks who it is, 20 times for each line that it reads, in as many threads as it is told, and
// says what it was told. At the end of its input it ends.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_bool ends;

static char ballast[10 << 20];

static void* run(void* unused) {
    volatile unsigned long turns = 0;
    while (!ends) turns++;
    return unused;
}

int main(int argc, char** argv) {
    pthread_t threads[8];
    int count = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < count && i < 8; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0) return 1;
    char line[16];
    for (size_t i = 0; i < sizeof ballast; i++) ballast[i] = (char)(i * 31 >> 7);
    printf("%p\n", (void*)getuid);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        uid_t uid = 0;
        for (int i = 0; i < 20; i++) uid = getuid();
        printf("%u\n", uid);
        fflush(stdout);
    }
    ends = 1;
    for (int i = 0; i < count && i < 8; i++) pthread_join(threads[i], NULL);
    return 0;
}
