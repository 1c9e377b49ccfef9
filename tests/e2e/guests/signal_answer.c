// signal_answer [child]: answers each SIGUSR1 with a SIGUSR2 to its sender; SIGTERM ends it, the exit status says how many
// it answered. With "child" a child does the same, and the parent waits for it to end too. Prints the PIDs first. Half of
// the time it waits in sigsuspend, half in a blocking read: both are interrupted calls.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t answered, ended;
static void on_signal(int sig, siginfo_t* info, void* context) {
    (void)context;
    if (sig == SIGTERM) {
        ended = 1;
    } else {
        answered++;
        kill(info->si_pid, SIGUSR2);
    }
}
static int serve(void) {
    int ends[2];
    if (pipe(ends) != 0) return 99;
    sigset_t blocked, open_mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &open_mask);
    while (!ended) {
        sigsuspend(&open_mask);
        if (ended) break;
        // The next one interrupts a read; an alarm is its way out should it come too early.
        int before = answered;
        sigprocmask(SIG_SETMASK, &open_mask, NULL);
        char byte;
        alarm(2);
        if (!ended && answered == before && (read(ends[0], &byte, 1) != -1 || errno != EINTR)) return 98;
        alarm(0);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
    }
    return answered;
}
static void on_alarm(int sig) { (void)sig; }
int main(int argc, char** argv) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction alarm_action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &alarm_action, NULL);
    pid_t child = argc > 1 && strcmp(argv[1], "child") == 0 ? fork() : -1;
    if (child == 0) _exit(serve());
    printf("%d %d\n", getpid(), child);
    fflush(stdout);
    int own = serve();
    if (child > 0) {
        int status;
        while (waitpid(child, &status, 0) == -1 && errno == EINTR) {
        }
        printf("child %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    printf("own %d\n", own);
    return own;
}
