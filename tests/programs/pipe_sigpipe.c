// A write with no reader: EPIPE when SIGPIPE is ignored or handled, death by SIGPIPE else.
#include "pmi_test.h"
static volatile sig_atomic_t pipes;
static void on_pipe(int sig, siginfo_t* info, void* context) {
    (void)context;
    CHECK_EQ(sig, SIGPIPE);
    CHECK_EQ(info->si_pid, getpid());
    pipes++;
}
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    CHECK_SYS(close(p[0]));
    struct sigaction action = {.sa_sigaction = on_pipe, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGPIPE, &action, NULL));
    MIGRATE_POINT();
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    CHECK_EQ(pipes, 1);
    signal(SIGPIPE, SIG_IGN);
    MIGRATE_POINT();
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    CHECK_EQ(pipes, 1);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        MIGRATE_POINT();
        ssize_t ignored = write(p[1], "x", 1);
        (void)ignored;
        _exit(3);
    }
    CHECK_KILLED(child, SIGPIPE);
    test_done();
}
