// F_SETOWN, F_SETSIG and O_ASYNC: SIGIO with its siginfo when a socket becomes readable.
#include "pmi_test.h"
static volatile sig_atomic_t got_fd = -1, got_band;
static void on_io(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    got_fd = info->si_fd;
    got_band = (sig_atomic_t)info->si_band;
}
int main(void) {
    int pair[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct sigaction action = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGRTMIN + 2, &action, NULL));
    CHECK_SYS(fcntl(pair[0], F_SETOWN, getpid()));
    CHECK_SYS(fcntl(pair[0], F_SETSIG, SIGRTMIN + 2));
    CHECK_SYS(fcntl(pair[0], F_SETFL, O_ASYNC));
    MIGRATE_POINT();
    CHECK_EQ(fcntl(pair[0], F_GETOWN), getpid());
    CHECK_EQ(fcntl(pair[0], F_GETSIG), SIGRTMIN + 2);
    write_all(pair[1], "x", 1);
    WAIT_FOR(got_fd != -1);
    CHECK_EQ(got_fd, pair[0]);
    CHECK(got_band & POLLIN);
    got_fd = -1;
    char byte;
    read_all(pair[0], &byte, 1);
    MIGRATE_POINT();
    write_all(pair[1], "y", 1);
    WAIT_FOR(got_fd == pair[0]);
    test_done();
}
