// What a running handler blocks: the signal itself, and what sigaction(2) was told. A fatal signal waits until it has returned, one
// that the program looks for is pending, and one for the process goes to a thread that does not block it.
#include "pmi_test.h"
#include <sys/signalfd.h>

static int pipe_out, signals;
static volatile sig_atomic_t seen, waited;
static _Atomic pid_t idle_thread, taken_by;

static void say_begin_and_end(int signal) {
    (void)signal;
    CHECK_EQ(write(pipe_out, "b", 1), 1);
    int64_t end = now_ns() + 200 * NSEC_PER_MSEC;
    while (now_ns() < end) continue;
    CHECK_EQ(write(pipe_out, "e", 1), 1);
}

static void handle(int signal, void (*handler)(int), int also_blocked) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    if (also_blocked != 0) sigaddset(&action.sa_mask, also_blocked);
    CHECK_SYS(sigaction(signal, &action, NULL));
}

static void check_fatal_waits(void) {
    int ends[2];
    CHECK_SYS(pipe(ends));
    pid_t child = CHECK_SYS(fork());
    if (child == 0) {
        pipe_out = ends[1];
        handle(SIGUSR1, say_begin_and_end, SIGTERM);
        MIGRATE_POINT();
        raise(SIGUSR1);
        for (;;) pause();
    }
    close(ends[1]);
    char said[3] = {0};
    CHECK_EQ(read(ends[0], said, 1), 1);
    CHECK_SYS(kill(child, SIGTERM));
    CHECK_EQ(read(ends[0], said + 1, 1), 1);
    CHECK_STR(said, "be");
    int status = wait_status(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(ends[0]);
}

static bool is_pending(int signal) {
    sigset_t pending;
    CHECK_SYS(sigpending(&pending));
    return sigismember(&pending, signal) == 1;
}

static void count(int signal) { (void)signal, seen++; }

static void look_for_it(int signal) {
    (void)signal;
    struct signalfd_siginfo info;
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    kill(getpid(), SIGUSR2);
    CHECK(is_pending(SIGUSR2));
    CHECK_EQ(sigtimedwait(&wanted, NULL, &(struct timespec){0, 0}), SIGUSR2);
    CHECK(!is_pending(SIGUSR2));
    raise(SIGUSR2);
    CHECK_EQ(read(signals, &info, sizeof info), sizeof info);
    CHECK_EQ(info.ssi_signo, SIGUSR2);
    waited++;
}

static void check_is_pending(void) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    signals = CHECK_SYS(signalfd(-1, &wanted, SFD_NONBLOCK));
    handle(SIGUSR1, look_for_it, SIGUSR2);
    handle(SIGUSR2, count, 0);
    MIGRATE_POINT();
    raise(SIGUSR1);
    CHECK_EQ(waited, 1);
    CHECK_EQ(seen, 0);
    raise(SIGUSR2);  // the handler's mask is over
    CHECK_EQ(seen, 1);
}

static void note_taker(int signal) {
    (void)signal;
    taken_by = gettid();
}

static void wait_for_other_thread(int signal) {
    (void)signal;
    kill(getpid(), SIGUSR2);
    while (taken_by == 0) continue;
}

static void* idle(void* unused) {
    idle_thread = gettid();
    for (;;) pause();
    return unused;
}

static void check_goes_to_other_thread(void) {
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, idle, NULL));
    while (idle_thread == 0) sched_yield();
    handle(SIGUSR1, wait_for_other_thread, SIGUSR2);
    handle(SIGUSR2, note_taker, 0);
    MIGRATE_POINT();
    raise(SIGUSR1);
    CHECK_EQ(taken_by, idle_thread);
}

int main(void) {
    check_fatal_waits();
    check_is_pending();
    check_goes_to_other_thread();
    test_done();
}
