// A parent with two more threads, and, once FORK exists, a child. Both count, one line each 20 ms; SIGUSR1 is counted too. Once
// THREADS exists the parent makes 560 threads more.
// usage: family FORK THREADS
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal, signals++; }

static void* idle(void* unused) {
    for (;;) pause();
    return unused;
}

static void make_threads(int n) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (int i = 0; i < n; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, idle, NULL) != 0) exit(2);
    }
}

int main(int argc, char** argv) {
    if (argc != 3) return 1;
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMIN + 5, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_threads(2);
    bool is_child = false, has_child = false, has_threads = false;
    for (int i = 1;; i++) {
        printf("%s %d %d%s\n", is_child ? "child" : "parent", i, (int)signals, has_threads ? " many" : "");
        if (!has_child && access(argv[1], F_OK) == 0) {
            has_child = true;
            is_child = fork() == 0;
        }
        if (!is_child && !has_threads && access(argv[2], F_OK) == 0) {
            make_threads(560);
            has_threads = true;
        }
        for (struct timespec t = {0, 20000000}; nanosleep(&t, &t) != 0;) {
        }
    }
}
