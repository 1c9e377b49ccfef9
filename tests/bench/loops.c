// loops NAME: nanoseconds that one turn of a loop takes. The loop is timed in chunks of a few milliseconds and the median
// chunk is printed: a chunk in which another program had the CPU says nothing.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

enum { CHUNKS = 11 };

static const char* nothing;  // the program that is exec'ed

static void turn_getpid(void) { syscall(SYS_getpid); }

static void turn_open_close(void) { MUST(close((int)MUST(open("/dev/null", O_RDONLY)))); }

static void turn_malloc(void) {
    static void* kept[64];
    static unsigned turn;
    turn++;
    void** place = &kept[turn * 2654435761u >> 26];
    free(*place);
    *place = malloc(16 + (turn * 40503u >> 4) % 2000);
}

// Parent and child on one CPU: which CPUs the kernel picks would decide the result.
static void stay_on_cpu(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((int)MUST(sched_getcpu()), &one);
    MUST(sched_setaffinity(0, sizeof one, &one));
}

static int to_child[2], to_parent[2];
static void start_pipe(void) {
    stay_on_cpu();
    MUST(pipe(to_child));
    MUST(pipe(to_parent));
    if (MUST(fork()) > 0) return;
    close(to_child[1]);
    for (char c; read(to_child[0], &c, 1) == 1;) MUST(write(to_parent[1], &c, 1));
    _exit(0);
}
static void turn_pipe(void) {
    char c = 1;
    MUST(write(to_child[1], &c, 1));
    MUST(read(to_parent[0], &c, 1));
}

static void turn_fork_exec(void) {
    int status;
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        execl(nothing, nothing, NULL);
        _exit(1);
    }
    MUST(waitpid(child, &status, 0));
    if (status != 0) die("the child failed");
}

static const struct loop {
    const char* name;
    long turns;  // a chunk
    void (*turn)(void);
    void (*start)(void);
} loops[] = {
    {"getpid", 50000, turn_getpid, NULL},          {"open_close", 6000, turn_open_close, NULL},
    {"malloc_free", 100000, turn_malloc, NULL},    {"pipe", 2000, turn_pipe, start_pipe},
    {"fork_exec", 8, turn_fork_exec, stay_on_cpu},
};

int main(int argc, char** argv) {
    const struct loop* loop = NULL;
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        if (argc > 1 && strcmp(argv[1], loops[i].name) == 0) loop = &loops[i];
    if (loop == NULL || (strcmp(loop->name, "fork_exec") == 0 && argc < 3)) {
        fprintf(stderr, "usage: loops getpid|open_close|malloc_free|pipe|fork_exec PROGRAM\n");
        return 2;
    }
    nothing = argv[2];
    if (loop->start != NULL) loop->start();
    int64_t chunks[CHUNKS];
    for (int c = -1; c < CHUNKS; c++) {  // the first warms up
        int64_t began = now_ns();
        for (long i = 0; i < loop->turns; i++) loop->turn();
        if (c >= 0) chunks[c] = now_ns() - began;
    }
    printf("%.3f\n", (double)quantile(chunks, CHUNKS, 0.5) / (double)loop->turns);
    return 0;
}
