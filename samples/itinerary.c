// itinerary: what a program may say to pmi about itself (pmi.h). It is told of each of its moves, prints where it has come to, and
// works in sections during which it asks to stay where it is. Watch while it is moved, with pmictl or by itself (--tour NODE): no
// section ends elsewhere than where it began, and no move goes untold. Without pmi it runs at "home" all the time. Usage: itinerary
// [--seconds N] [--tour NODE]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pmi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma weak pmi_available
#pragma weak pmi_where
#pragma weak pmi_migrate
#pragma weak pmi_home
#pragma weak pmi_hold
#pragma weak pmi_release
#pragma weak pmi_notify

static volatile sig_atomic_t moves;

static void on_move(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    moves = info->si_value.sival_int;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void where(char* name, size_t size) {
    if (!pmi_where || pmi_where(name, size) != 0) strcpy(name, "home");
}

static void work(void) {
    volatile double sum = 0;
    for (double end = now() + 0.02; now() < end;) sum += 1;
}

int main(int argc, char** argv) {
    double seconds = 10;
    const char* tour = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) seconds = atof(argv[i + 1]);
        if (strcmp(argv[i], "--tour") == 0) tour = argv[i + 1];
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction action = {.sa_sigaction = on_move, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL);
    int is_job = pmi_available && pmi_available();
    if (is_job && pmi_notify(SIGRTMIN) != 0) return fputs("itinerary: pmi_notify failed\n", stderr), 1;
    int told = 0, sections = 0;
    double end = now() + seconds, next_leg = now();
    while (now() < end) {
        char before[128], after[128];
        if (tour && is_job && now() >= next_leg) {
            where(before, sizeof before);
            int error = strcmp(before, "home") == 0 ? pmi_migrate(tour) : pmi_home();
            if (error && error != -EBUSY) return fprintf(stderr, "itinerary: a leg failed: %s\n", strerror(-error)), 1;
            next_leg = now() + 0.5;
        }
        if (moves != told) {
            told = moves;
            where(before, sizeof before);
            printf("itinerary move %d: at %s\n", told, before);
        }
        if (is_job && pmi_hold() != 0) continue;  // on its way just now
        where(before, sizeof before);
        work();
        where(after, sizeof after);
        if (strcmp(before, after) != 0) return fprintf(stderr, "itinerary: moved from %s to %s while it held\n", before, after), 1;
        if (is_job && pmi_release() != 0) return fputs("itinerary: pmi_release failed\n", stderr), 1;
        sections++;
        for (struct timespec left = {0, 50000000}; nanosleep(&left, &left) != 0;) {  // anybody may move it here
        }
    }
    printf("itinerary %d sections, told of %d moves\nitinerary: ok\n", sections, told);
    return sections > 0 ? 0 : 1;
}
