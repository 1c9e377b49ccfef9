// storm SECONDS FILE: two writers append numbered lines to FILE, a pair of processes passes numbers through a pipe, and all
// of it is bombarded with signals, half with SA_RESTART and half without. At the end everything must have happened exactly
// once. Prints "storm: ok" and how much it was.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double end_at;
static volatile sig_atomic_t signals;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void die(const char* what, long a, long b) {
    fprintf(stderr, "storm: %s: %ld, %ld (%s)\n", what, a, b, strerror(errno));
    exit(1);
}
static void on_signal(int sig) {
    (void)sig;
    signals++;
}
static void put(int fd, const void* data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char*)data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die("write", n, (long)size);
        done += (size_t)n;
    }
}
static atomic_long written[2];
static const char* path;
static void* writer(void* argument) {
    long me = (long)argument;
    int fd = open(path, O_WRONLY | O_APPEND);
    if (fd < 0) die("open", fd, me);
    while (now() < end_at) {
        char line[32];
        int size = snprintf(line, sizeof line, "%ld %ld\n", me, written[me]);
        ssize_t n;
        do n = write(fd, line, (size_t)size);
        while (n < 0 && errno == EINTR);
        if (n != size) die("short write to a file", n, size);
        written[me]++;
    }
    return NULL;
}
static void* bombard(void* argument) {
    pid_t child = *(pid_t*)argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; now() < end_at; i++) {
        usleep(3000);
        kill(i % 2 ? child : getpid(), i % 3 ? SIGUSR1 : SIGUSR2);
    }
    return NULL;
}
static int reader(int fd) {
    uint64_t expected = 0, value;
    for (;; expected++) {
        size_t done = 0;
        while (done < sizeof value) {
            ssize_t n = read(fd, (char*)&value + done, sizeof value - done);
            if (n < 0 && errno == EINTR) continue;
            if (n == 0 && done == 0) return printf("pipe %s\n", expected > 10 ? "ok" : "idle"), fflush(stdout), 0;
            if (n <= 0) die("read", n, (long)done);
            done += (size_t)n;
        }
        if (value != expected) die("pipe out of order", (long)value, (long)expected);
    }
}
int main(int argc, char** argv) {
    if (argc != 3) return 2;
    end_at = now() + atof(argv[1]);
    path = argv[2];
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), ends[2];
    if (fd < 0 || pipe(ends) != 0) die("set up", fd, 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(reader(ends[0]));
    }
    close(ends[0]);
    pthread_t threads[3];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, writer, (void*)i);
    pthread_create(&threads[2], NULL, bombard, &child);
    for (uint64_t n = 0; now() < end_at; n++) put(ends[1], &n, sizeof n);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    close(ends[1]);
    int status;
    while (waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    if (status != 0) die("child", status, 0);
    FILE* f = fopen(path, "r");
    long next[2] = {0, 0}, who, n;
    while (fscanf(f, "%ld %ld\n", &who, &n) == 2) {
        if (who < 0 || who > 1 || n != next[who]) die("line lost or doubled", n, next[who & 1]);
        next[who]++;
    }
    if (next[0] != written[0] || next[1] != written[1]) die("lines at the end", next[0], written[0]);
    if (signals < 10) die("signals", signals, 10);
    puts("storm: ok");
    return 0;
}
