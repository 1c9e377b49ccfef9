// Stopped by job control, a program stays stopped wherever it is taken, and goes on when it is continued.
#include "counting_child.h"
int main(void) {
    int ends[2];
    CHECK_SYS(pipe(ends));
    pid_t child = CHECK_SYS(fork());
    if (child == 0) child_counts(ends[1], 1000);
    CHECK_SYS(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    uint64_t next = 0;
    for (int round = 0; round < 3; round++) {
        int status;
        CHECK_SYS(kill(child, SIGSTOP));
        CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
        CHECK(WIFSTOPPED(status));
        CHECK_EQ(WSTOPSIG(status), SIGSTOP);
        MIGRATE_POINT();
        uint64_t stopped_at = drain(ends[0], next);
        MIGRATE_POINT_OF(child);
        CHECK_EQ(drain(ends[0], stopped_at), stopped_at);  // nothing since
        MIGRATE_POINT_OF(child);
        CHECK_EQ(drain(ends[0], stopped_at), stopped_at);
        CHECK_SYS(kill(child, SIGCONT));
        CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
        CHECK(WIFCONTINUED(status));
        struct pollfd readable = {ends[0], POLLIN, 0};
        CHECK_EQ(poll(&readable, 1, 10000), 1);
        next = drain(ends[0], stopped_at);
        CHECK(next > stopped_at);
    }
    CHECK_SYS(kill(child, SIGKILL));
    CHECK_EQ(waitpid(child, NULL, 0), child);
    test_done();
}
