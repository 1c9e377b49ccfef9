// /proc/self/stat and /proc/PID/stat: pid, comm, ppid, group, session, thread count, start time.
#include "pmi_test.h"
static unsigned long long start_time(const char* path) {
    char text[2048], comm[64];
    slurp(path, text, sizeof text);
    int pid, ppid, group, session;
    char state;
    char* after = strrchr(text, ')');
    CHECK(after != NULL);
    CHECK_EQ(sscanf(text, "%d (%63[^)]", &pid, comm), 2);
    CHECK_EQ(sscanf(after + 1, " %c %d %d %d", &state, &ppid, &group, &session), 4);
    CHECK_EQ(pid, getpid());
    CHECK_STR(comm, "proc_stat");
    CHECK_EQ(ppid, getppid());
    CHECK_EQ(group, getpgrp());
    CHECK_EQ(session, getsid(0));
    char* at = after + 2;
    for (int field = 3; field < 22; field++) at = strchr(at, ' ') + 1;
    return strtoull(at, NULL, 10);
}
int main(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", getpid());
    unsigned long long first = start_time("/proc/self/stat");
    CHECK(first > 0);
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        CHECK_EQ(start_time("/proc/self/stat"), first);
        CHECK_EQ(start_time(path), first);
    }
    test_done();
}
