// fork_tree: grows trees of processes, each of which works a little, talks to its parent through a pipe and
// ends with a status that its parent checks. Watch while it moves: children made away are real processes at
// home (`pstree`), parents get the right statuses, no zombie stays. Usage: fork_tree [--seconds N] [--depth
// N]
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

// Gives the number of processes in the tree below and including this one, or ends the process with an error.
static int grow(int depth) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    if (depth == 0) return 1;
    int count = 1;
    for (int i = 0; i < 2; i++) {
        int p[2], below = 0, status;
        if (pipe(p) != 0) perror("fork_tree: pipe"), exit(1);
        pid_t parent = getpid(), child = fork();
        if (child < 0) perror("fork_tree: fork"), exit(1);
        if (child == 0) {
            close(p[0]);
            if (getppid() != parent) fprintf(stderr, "fork_tree: parent %d isn't %d\n", getppid(), parent), exit(1);
            below = grow(depth - 1);
            if (write(p[1], &below, sizeof below) != (ssize_t)sizeof below) perror("fork_tree: write"), exit(1);
            _exit(40 + depth);
        }
        close(p[1]);
        if (read(p[0], &below, sizeof below) != (ssize_t)sizeof below)
            fprintf(stderr, "fork_tree: child %d said nothing\n", child), exit(1);
        close(p[0]);
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 40 + depth)
            fprintf(stderr, "fork_tree: child %d ended with status 0x%x\n", child, status), exit(1);
        count += below;
    }
    return count;
}

int main(int argc, char** argv) {
    int seconds = 10, depth = 3;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) seconds = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--depth") == 0) depth = atoi(argv[i + 1]);
    }
    if (depth < 0 || depth > 6) return fprintf(stderr, "fork_tree: bad depth\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    double end = now() + seconds;
    for (int trees = 1; now() < end; trees++) {
        int count = grow(depth);
        if (count != (1 << (depth + 1)) - 1) return fprintf(stderr, "fork_tree: a tree of %d\n", count), 1;
        printf("fork_tree %d trees of %d processes\n", trees, count);
    }
    puts("fork_tree: ok");
    return 0;
}
