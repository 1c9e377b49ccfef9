// A sequence goes through a pipe pair to a child and back while a timer signal hits both: each number exactly
// once.
#include "pmi_test.h"
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    ticks++;
}
static void io(int fd, bool out, unsigned* value) {
    size_t done = 0;
    while (done < sizeof *value) {
        char* at = (char*)value + done;
        ssize_t got = out ? write(fd, at, sizeof *value - done) : read(fd, at, sizeof *value - done);
        if (got == -1) {
            CHECK_EQ(errno, EINTR);
            continue;
        }
        CHECK(got > 0);
        done += (size_t)got;
    }
}
int main(void) {
    int there[2], back[2];
    CHECK_SYS(pipe(there));
    CHECK_SYS(pipe(back));
    struct sigaction action = {.sa_handler = on_tick};  // no SA_RESTART: EINTR is real
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 1000}, {0, 1000}};
    pid_t child = fork();
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    if (child == 0) {
        for (unsigned i = 0; i < 4000; i++) {
            unsigned value;
            io(there[0], false, &value);
            CHECK_EQ(value, i);
            value = ~value;
            io(back[1], true, &value);
            if (i % 1000 == 500) MIGRATE_POINT();
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 4000; i++) {
        unsigned value = i;
        io(there[1], true, &value);
        io(back[0], false, &value);
        CHECK_EQ(value, ~i);
        if (i % 1000 == 0) MIGRATE_POINT();
    }
    CHECK_EXITED(child, 0);
    CHECK(ticks > 0);
    test_done();
}
