// A process ends while threads of it are in fork: whatever child there is goes on and ends by itself, and forks of
// others are not held up.
#include "pmi_test.h"

enum { ROUNDS = 12, THREADS = 3 };
static int pipe_to_test;

static void* fork_for_ever(void* unused) {
    (void)unused;
    for (;;) {
        pid_t child = fork();
        if (child == 0) {
            ssize_t ignored = write(pipe_to_test, "c", 1);
            (void)ignored;
            _exit(0);
        }
        if (child > 0) waitpid(child, NULL, 0);
    }
    return NULL;
}

static void fork_and_end(int round) {
    MIGRATE_POINT();
    for (int i = 0; i < THREADS; i++) {
        pthread_t t;
        CHECK_ZERO(pthread_create(&t, NULL, fork_for_ever, NULL));
    }
    struct timespec nap = {0, 10 * NSEC_PER_MSEC + round * 1713 * 1000};
    nanosleep(&nap, NULL);
    if (round % 3 == 0) kill(getpid(), SIGKILL);
    _exit(7);
}

int main(void) {
    MIGRATE_POINT();
    for (int round = 0; round < ROUNDS; round++) {
        int p[2];
        CHECK_SYS(pipe(p));
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) {
            close(p[0]);
            pipe_to_test = p[1];
            fork_and_end(round);
        }
        close(p[1]);
        // It ends when all of its descendants have: nobody else has the pipe's other end.
        char buffer[4096];
        ssize_t got;
        struct pollfd readable = {p[0], POLLIN, 0};
        do {
            CHECK_EQ(poll(&readable, 1, 20000), 1);
            got = CHECK_SYS(read(p[0], buffer, sizeof buffer));
        } while (got > 0);
        int status = 0;
        CHECK_SYS(waitpid(child, &status, 0));
        CHECK_EQ(status, round % 3 == 0 ? SIGKILL : 7 << 8);
        CHECK_SYS(close(p[0]));
    }
    test_done();
}
