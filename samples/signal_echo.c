// signal_echo: a child sends numbered real-time signals, the parent's handler answers each with a signal of
// the same number; both check that none is lost, doubled or out of order. Watch while either moves: the rate
// falls away from home, the sequence never breaks. SIGSTOP and SIGCONT to either only hold it up. Usage:
// signal_echo [--seconds N]
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t received, wrong, sender;

static void on_signal(int sig, siginfo_t* info, void* context) {
    (void)context;
    if (info->si_value.sival_int != received || info->si_code != SI_QUEUE || info->si_pid != sender) {
        wrong = 1;
        return;
    }
    received++;
    int saved = errno;
    if (sigqueue((pid_t)sender, sig, info->si_value) != 0) wrong = 1;
    errno = saved;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ask(pid_t answerer, int sig, int seconds) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    double end = now() + seconds;
    int n = 0;
    for (; now() < end; n++) {
        if (sigqueue(answerer, sig, (union sigval){.sival_int = n}) != 0) return perror("signal_echo: sigqueue"), 1;
        siginfo_t info;
        struct timespec limit = {20, 0};
        int got;
        do got = sigtimedwait(&set, &info, &limit);
        while (got == -1 && errno == EINTR);
        if (got != sig || info.si_value.sival_int != n || info.si_pid != answerer)
            return fprintf(stderr, "signal_echo: no answer to %d (got %d: %s)\n", n, got, strerror(errno)), 1;
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    printf("signal_echo %d signals answered\n", n);
    return n > 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    int seconds = argc > 2 && strcmp(argv[1], "--seconds") == 0 ? atoi(argv[2]) : 10, sig = SIGRTMIN + 3;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t parent = getpid(), child = fork();
    if (child < 0) return perror("signal_echo: fork"), 1;
    if (child == 0) exit(ask(parent, sig, seconds));
    sender = child;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(sig, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("signal_echo answerer %d asker %d\n", parent, child);
    int status;
    double report = now();
    for (pid_t ended; (ended = waitpid(child, &status, WNOHANG)) != child;) {
        if (ended < 0) return perror("signal_echo: waitpid"), 1;
        struct timespec pause = {0, 50000000};
        nanosleep(&pause, NULL);
        if (wrong) return kill(child, SIGKILL), fprintf(stderr, "signal_echo: broken after %d\n", (int)received), 1;
        if (now() - report >= 0.5) {
            report = now();
            printf("signal_echo %d signals\n", (int)received);
        }
    }
    if (status != 0 || wrong) return fprintf(stderr, "signal_echo: the asker ended with status 0x%x\n", status), 1;
    puts("signal_echo: ok");
    return 0;
}
