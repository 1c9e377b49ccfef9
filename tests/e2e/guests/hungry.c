// Waits for a file; then "eat N": takes N MiB of memory; "fork N": has N children at the same time.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* eat(size_t size) {
    char* memory = malloc(size);
    if (memory == NULL) return "refused";
    memset(memory, 'x', size);
    return memory[size / 2] == 'x' ? "fed" : "lost";
}

static const char* have_children(int count) {
    int end[2], ended = 0;
    if (pipe(end) != 0) return "no pipe";
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0) return "refused";
        if (child > 0) continue;
        char byte;
        close(end[1]);
        _exit(read(end[0], &byte, 1) == 0 ? 7 : 1);
    }
    close(end[1]);
    for (int status; wait(&status) > 0;) ended += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    return ended == count ? "forked" : "lost";
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    puts("waiting");
    fflush(stdout);
    while (access(argv[3], F_OK) != 0) usleep(5000);
    puts(strcmp(argv[1], "eat") == 0 ? eat((size_t)atoi(argv[2]) << 20) : have_children(atoi(argv[2])));
    return 0;
}
