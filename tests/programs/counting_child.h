// A child that writes numbers to a pipe, each one more than the last: whether it runs is seen by who reads them. It is stopped
// and continued by job control.
#pragma once
#include "pmi_test.h"
typedef struct {
    pid_t pid;
    int in;         // its numbers; reading does not block
    uint64_t next;  // the number that comes next
} CountingChild;
MAYBE_UNUSED static CountingChild start_counting(unsigned pause_us) {
    int ends[2];
    CHECK_SYS(pipe(ends));
    pid_t pid = CHECK_SYS(fork());
    for (uint64_t n = 0; pid == 0; n++) {
        CHECK_EQ(write(ends[1], &n, sizeof n), sizeof n);
        usleep(pause_us);
    }
    CHECK_SYS(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    return (CountingChild){pid, ends[0], 0};
}
MAYBE_UNUSED static void drain(CountingChild* child) {
    uint64_t n;
    while (read(child->in, &n, sizeof n) == sizeof n) CHECK_EQ(n, child->next++);
    CHECK_EQ(errno, EAGAIN);
}
MAYBE_UNUSED static void stop_counting(const CountingChild* child) {
    int status;
    CHECK_SYS(kill(child->pid, SIGSTOP));
    CHECK_EQ(waitpid(child->pid, &status, WUNTRACED), child->pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
}
// Since all was read.
MAYBE_UNUSED static void check_nothing_counted(CountingChild* child) {
    uint64_t stopped_at = child->next;
    drain(child);
    CHECK_EQ(child->next, stopped_at);
}
MAYBE_UNUSED static void continue_counting(CountingChild* child) {
    int status;
    uint64_t n;
    CHECK_SYS(kill(child->pid, SIGCONT));
    CHECK_EQ(waitpid(child->pid, &status, WCONTINUED), child->pid);
    CHECK(WIFCONTINUED(status));
    struct pollfd readable = {child->in, POLLIN, 0};
    CHECK_EQ(poll(&readable, 1, 10000), 1);
    // One of them: it counts on, faster perhaps than all can be read.
    CHECK_EQ(read(child->in, &n, sizeof n), sizeof n);
    CHECK_EQ(n, child->next++);
}
MAYBE_UNUSED static void end_counting(const CountingChild* child) {
    CHECK_SYS(kill(child->pid, SIGKILL));
    CHECK_EQ(waitpid(child->pid, NULL, 0), child->pid);
}
