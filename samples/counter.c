// counter: prints "counter N pid P host H" about five times a second.
// Watch, while it moves by `pmictl migrate PID NODE` and `pmictl home PID`: N never skips or repeats, P and H
// never change, the pause at a move is short, and the shell sees the exit status given by --status. Usage:
// counter [--count N] [--interval MS] [--status S]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
    long count = 50, interval_ms = 200, status = 0;
    static const struct option options[] = {
        {"count", 1, NULL, 'c'}, {"interval", 1, NULL, 'i'}, {"status", 1, NULL, 's'}, {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'c')
            count = atol(optarg);
        else if (option == 'i')
            interval_ms = atol(optarg);
        else if (option == 's')
            status = atol(optarg);
        else
            return fprintf(stderr, "usage: counter [--count N] [--interval MS] [--status S]\n"), 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    pid_t pid = getpid();
    char host[256] = "", host_now[256] = "";
    gethostname(host, sizeof host - 1);
    double last = now();
    for (long n = 1; n <= count; n++) {
        gethostname(host_now, sizeof host_now - 1);
        if (getpid() != pid || strcmp(host, host_now) != 0)
            return fprintf(stderr, "counter: was %d on %s, now %d on %s\n", pid, host, getpid(), host_now), 1;
        if (printf("counter %ld pid %d host %s\n", n, getpid(), host_now) < 0) return 1;
        struct timespec pause = {interval_ms / 1000, interval_ms % 1000 * 1000000};
        if (n < count && nanosleep(&pause, NULL) != 0) return perror("counter: nanosleep"), 1;
        double time_now = now();
        if (time_now < last || (n < count && time_now - last < (double)interval_ms / 1000))
            return fprintf(stderr, "counter: the clock went from %.6f to %.6f\n", last, time_now), 1;
        last = time_now;
    }
    puts("counter: ok");
    return (int)status;
}
