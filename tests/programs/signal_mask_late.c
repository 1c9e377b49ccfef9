// Signals that come while a thread has blocked them and has made no other call since: none is delivered before it unblocks them,
// none is lost or acts by its default, and all calls that look for pending signals find them. Between blocking and looking the
// program computes, so that whoever only sees its calls does not know of the mask.
#include <sys/signalfd.h>

#include "pmi_test.h"

enum { SOON = 3 * NSEC_PER_MSEC, LATE = 300 * NSEC_PER_MSEC };

static volatile int handled, last_value, in_order = 1;

static void on_signal(int signal, siginfo_t* info, void* context) {
    (void)context;
    handled++;
    if (signal == SIGRTMIN) {
        in_order &= info->si_value.sival_int == last_value + 1;
        last_value = info->si_value.sival_int;
    }
}

static void handle(int signal, int flags) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
    CHECK_SYS(sigaction(signal, &action, NULL));
}

static void compute(long long ns) {
    for (long long end = now_ns() + ns; now_ns() < end;) {
    }
}

static sigset_t set_of(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}
static int is_pending(int signal) {
    sigset_t set;
    CHECK_SYS(sigpending(&set));
    return sigismember(&set, signal);
}

// A child that sends signals at a time that it is told, and says that it has sent them.
static int go_pipe[2], sent_pipe[2];
static pid_t sender;
static long long send_at;
static void start_sender(int signal, int count) {
    CHECK_SYS(pipe(go_pipe));
    CHECK_SYS(pipe(sent_pipe));
    sender = CHECK_SYS(fork());
    if (sender != 0) return;
    read_all(go_pipe[0], &send_at, sizeof send_at);
    struct timespec then = {send_at / NSEC_PER_SEC, send_at % NSEC_PER_SEC};
    CHECK_ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL));
    for (int i = 1; i <= count; i++)
        if (signal != 0) CHECK_SYS(sigqueue(getppid(), signal, (union sigval){.sival_int = i}));
    CHECK_EQ(write(sent_pipe[1], "s", 1), 1);
    _exit(0);
}
static void let_send(long long delay_ns) {
    send_at = now_ns() + delay_ns;
    write_all(go_pipe[1], &send_at, sizeof send_at);
}
// Blocks it between the order to send and the sending, then computes until it is sent. False: it was held up for too long in
// between, which says nothing.
static int block_in_time(const sigset_t* set) {
    CHECK_SYS(sigprocmask(SIG_BLOCK, set, NULL));
    int is_in_time = now_ns() < send_at;
    compute(send_at + 5 * NSEC_PER_MSEC - now_ns());
    return is_in_time;
}
static void wait_sent(void) {
    char byte;
    ssize_t n;
    while ((n = read(sent_pipe[0], &byte, 1)) == -1 && errno == EINTR) {
    }
    CHECK_EQ(n, 1);
}
static void end_sender(void) {
    pid_t ended;
    while ((ended = waitpid(sender, NULL, 0)) == -1 && errno == EINTR) {
    }
    CHECK_EQ(ended, sender);
    close(go_pipe[0]), close(go_pipe[1]), close(sent_pipe[0]), close(sent_pipe[1]);
}

// What would end the program, or stop it, or be thrown away: it is pending.
static int blocked(int signal, long long delay_ns) {
    sigset_t set = set_of(signal);
    start_sender(signal, 1);
    let_send(delay_ns);
    int is_in_time = block_in_time(&set);
    wait_sent();
    MIGRATE_POINT();
    if (is_in_time) {
        CHECK_EQ(is_pending(signal), 1);
        siginfo_t info;
        CHECK_EQ(sigwaitinfo(&set, &info), signal);
        CHECK_EQ(info.si_pid, sender);
        CHECK_EQ(info.si_value.sival_int, 1);
    } else {
        struct timespec none = {0, 0};
        CHECK(sigtimedwait(&set, NULL, &none) == signal || errno == EAGAIN);
    }
    CHECK_EQ(is_pending(signal), 0);
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    end_sender();
    return is_in_time;
}

static int child_ends(void) {
    sigset_t set = set_of(SIGCHLD);
    start_sender(0, 0);
    let_send(SOON);
    int is_in_time = block_in_time(&set);
    if (is_in_time) {
        siginfo_t info;
        CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
        CHECK_EQ(info.si_pid, sender);
    }
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    end_sender();
    return is_in_time;
}

static int by_descriptor(void) {
    sigset_t set = set_of(SIGUSR2);
    int fd = (int)CHECK_SYS(signalfd(-1, &set, SFD_NONBLOCK));
    start_sender(SIGUSR2, 1);
    handled = 0;
    let_send(SOON);
    int is_in_time = block_in_time(&set);
    if (is_in_time) {
        struct pollfd item = {fd, POLLIN, 0};
        CHECK_EQ(poll(&item, 1, -1), 1);
        struct signalfd_siginfo info;
        CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
        CHECK_EQ(info.ssi_pid, sender);
    }
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    wait_sent();
    CHECK_EQ(handled, !is_in_time);
    close(fd);
    end_sender();
    return is_in_time;
}

// Blocked and unblocked all the time, by itself alone.
static void toggled(int count) {
    sigset_t set = set_of(SIGRTMIN);
    start_sender(SIGRTMIN, count);
    handled = last_value = 0;
    let_send(SOON);
    for (long long end = now_ns() + 20 * NSEC_PER_MSEC; now_ns() < end;) {
        CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
        int before = handled;
        compute(20000);
        CHECK_EQ(handled, before);
        CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    }
    wait_sent();
    CHECK_EQ(handled, count);
    CHECK(in_order);
    end_sender();
}

// Unblocked by the mask of one call, and by none other.
static int let_in_by_call(void) {
    sigset_t set = set_of(SIGUSR2), none;
    sigemptyset(&none);
    start_sender(SIGUSR2, 1);
    handled = 0;
    let_send(SOON);
    int is_in_time = block_in_time(&set);
    if (is_in_time) {
        CHECK_EQ(handled, 0);
        CHECK_ERRNO(sigsuspend(&none), EINTR);
    }
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    wait_sent();
    CHECK_EQ(handled, 1);
    end_sender();
    return is_in_time;
}

// The child begins with the mask.
static void inherited(void) {
    sigset_t set = set_of(SIGUSR1), mask;
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t child = CHECK_SYS(fork());
    if (child == 0) {
        CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
        CHECK_EQ(sigismember(&mask, SIGUSR1), 1);
        CHECK_SYS(kill(getpid(), SIGUSR1));
        CHECK_EQ(is_pending(SIGUSR1), 1);
        _exit(17);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 17);
    CHECK_SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

// What is pending, and the mask, survive an exec.
static void execs(const char* self) {
    pid_t child = CHECK_SYS(fork());
    if (child == 0) {
        sigset_t set = set_of(SIGUSR1);
        start_sender(SIGUSR1, 1);
        let_send(LATE);
        block_in_time(&set);
        wait_sent();
        execl(self, self, "execed", (char*)NULL);
        _exit(1);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 18);
}
static int execed(void) {
    sigset_t mask;
    CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
    CHECK_EQ(sigismember(&mask, SIGUSR1), 1);
    CHECK_EQ(is_pending(SIGUSR1), 1);
    return 18;
}

// Where one thread blocks it, another one takes it.
static volatile int other_handled;
static pthread_t other;
static int block_pipe[2];
static void on_other(int signal) {
    (void)signal;
    other_handled = pthread_equal(pthread_self(), other) ? 1 : -1;
}
static void* wait_for_it(void* unused) {
    char byte;
    if (read(block_pipe[0], &byte, 1) != 1) CHECK_EQ(errno, EINTR);
    return unused;
}
static int other_thread(void) {
    struct sigaction action = {.sa_handler = on_other};
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    other_handled = 0;
    CHECK_SYS(pipe(block_pipe));
    sigset_t set = set_of(SIGUSR2);
    start_sender(SIGUSR2, 1);
    CHECK_ZERO(pthread_create(&other, NULL, wait_for_it, NULL));
    let_send(SOON);
    CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    int is_in_time = now_ns() < send_at;
    for (long long end = now_ns() + 20 * NSEC_PER_SEC; other_handled == 0 && now_ns() < end;) {
    }
    CHECK(other_handled == 1 || !is_in_time);
    CHECK_EQ(write(block_pipe[1], "x", 1), 1);
    CHECK_ZERO(pthread_join(other, NULL));
    CHECK_ZERO(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
    wait_sent();
    end_sender();
    close(block_pipe[0]), close(block_pipe[1]);
    return is_in_time;
}

int main(int argc, char** argv) {
    if (argc > 1 && strcmp(argv[1], "execed") == 0) return execed();
    handle(SIGUSR2, 0);
    handle(SIGRTMIN, SA_RESTART);
    for (int i = 0; i < 4; i++) {
        MIGRATE_POINT();
        handled = 0;
        // Each until it says something. What comes too early ends the program, or stops it: these get more time.
        while (!blocked(i % 2 ? SIGTSTP : SIGUSR1, LATE)) {
        }
        while (!blocked(SIGWINCH, SOON)) {  // nobody would see it
        }
        while (!child_ends()) {
        }
        while (!by_descriptor()) {
        }
        MIGRATE_POINT();
        toggled(200);
        while (!let_in_by_call()) {
        }
        inherited();
        execs(argv[0]);
    }
    MIGRATE_POINT();
    while (!other_thread()) {
    }
    test_done();
}
