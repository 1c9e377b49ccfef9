// SIGTRAP that somebody sends, which debuggers and who moves programs use for themselves: every one comes once, with what was
// said of it; blocked it stays pending, beside others, until it is let through.
#include "pmi_test.h"
#include <sys/wait.h>
static volatile sig_atomic_t count, last_value, last_sender, others;
static int answers[2];
static void on_trap(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    CHECK_EQ(info->si_code, SI_QUEUE);
    count++;
    last_value = info->si_value.sival_int;
    last_sender = info->si_pid;
    if (answers[1] > 0) CHECK_EQ(write(answers[1], "", 1), 1);
}
static void on_other(int sig) {
    (void)sig;
    others++;
}
static void queue_trap(pid_t to, int value) { CHECK_SYS(sigqueue(to, SIGTRAP, (union sigval){.sival_int = value})); }
static void check_pending(void) {
    sigset_t blocked, pending, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTRAP);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGRTMIN + 3);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &blocked, &old));
    for (int i = 0; i < 3; i++) {
        int before = count, others_before = others;
        queue_trap(getpid(), 1000 + i);
        CHECK_SYS(raise(SIGUSR1));
        CHECK_SYS(raise(SIGRTMIN + 3));
        CHECK_SYS(raise(SIGRTMIN + 3));
        MIGRATE_POINT();
        CHECK_SYS(sigpending(&pending));
        CHECK_EQ(sigismember(&pending, SIGTRAP), 1);
        CHECK_EQ(count, before);
        MIGRATE_POINT();
        CHECK_SYS(sigprocmask(SIG_SETMASK, &old, NULL));
        CHECK_EQ(count, before + 1);
        CHECK_EQ(last_value, 1000 + i);
        CHECK_EQ(last_sender, getpid());
        CHECK_EQ(others, others_before + 3);
        CHECK_SYS(sigprocmask(SIG_BLOCK, &blocked, NULL));
    }
    CHECK_SYS(sigprocmask(SIG_SETMASK, &old, NULL));
}
int main(void) {
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction other = {.sa_handler = on_other, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGTRAP, &trap, NULL));
    CHECK_SYS(sigaction(SIGUSR1, &other, NULL));
    CHECK_SYS(sigaction(SIGRTMIN + 3, &other, NULL));
    check_pending();
    enum { kSent = 3000 };
    int before = count, pipes[2];
    CHECK_SYS(pipe(pipes));
    answers[1] = pipes[1];  // before the first trap can come
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        CHECK_SYS(close(pipes[1]));
        for (int i = 0; i < kSent; i++) {
            char answer;
            queue_trap(getppid(), i);
            CHECK_EQ(read(pipes[0], &answer, 1), 1);
        }
        _exit(0);
    }
    unsigned work = 1;
    for (int round = 1; count < before + kSent; round++) {
        for (int i = 0; i < 20000; i++) work = work * 1103515245u + 12345u;
        if (round % 64 == 0 && round < 64 * 6) MIGRATE_POINT();
    }
    CHECK(work != 0);
    CHECK_EQ(count, before + kSent);
    CHECK_EQ(last_value, kSent - 1);
    CHECK_EQ(last_sender, child);
    CHECK_EXITED(child, 0);
    test_done();
}
