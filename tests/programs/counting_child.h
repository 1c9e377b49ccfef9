// A child that writes numbers to a pipe, each one more than the last: whether it runs is seen by who reads them.
#pragma once
#include "pmi_test.h"
MAYBE_UNUSED static void child_counts(int out, unsigned pause_us) {
    for (uint64_t n = 0;; n++) {
        CHECK_EQ(write(out, &n, sizeof n), sizeof n);
        usleep(pause_us);
    }
}
// Reads what is there, from a pipe that does not block; gives the number that comes next.
MAYBE_UNUSED static uint64_t drain(int in, uint64_t next) {
    uint64_t n;
    while (read(in, &n, sizeof n) == sizeof n) {
        CHECK_EQ(n, next);
        next++;
    }
    CHECK_EQ(errno, EAGAIN);
    return next;
}
