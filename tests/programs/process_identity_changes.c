// Who a process is, asked often, and what changes it: by itself, by another thread, by its parent.
#include "pmi_test.h"

#include <grp.h>

static void ask_all(uid_t euid, pid_t group) {
    for (int i = 0; i < 3; i++) {
        uid_t r, e, s;
        CHECK_SYS(syscall(SYS_getresuid, &r, &e, &s));
        CHECK_EQ(e, euid);
        CHECK_EQ(syscall(SYS_geteuid), euid);
        CHECK_EQ(getpgrp(), group);
        CHECK_EQ(getpgid(0), group);
        CHECK_EQ(getpgid(getpid()), group);
        CHECK_EQ(getpid(), syscall(SYS_getpid));
    }
}

// The raw call is of one thread alone.
static void* other_identity(void* turn) {
    ask_all(0, getpgrp());
    CHECK_SYS(syscall(SYS_setresuid, -1, 12345, -1));
    ask_all(12345, getpgrp());
    pthread_barrier_wait(turn);
    pthread_barrier_wait(turn);
    ask_all(12345, getpgrp());
    CHECK_SYS(syscall(SYS_setresuid, -1, 0, -1));
    ask_all(0, getpgrp());
    return NULL;
}

static void credentials_of_a_thread(void) {
    pthread_barrier_t turn;
    pthread_t thread;
    CHECK_ZERO(pthread_barrier_init(&turn, NULL, 2));
    CHECK_ZERO(pthread_create(&thread, NULL, other_identity, &turn));
    pthread_barrier_wait(&turn);
    ask_all(0, getpgrp());
    pthread_barrier_wait(&turn);
    CHECK_ZERO(pthread_join(thread, NULL));
    gid_t groups[3] = {7, 8, 9}, got[3];
    CHECK_SYS(setgroups(3, groups));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(getgroups(3, got), 3);
        CHECK_EQ(got[1], 8);
    }
    CHECK_SYS(setgroups(1, groups + 2));
    CHECK_EQ(getgroups(3, got), 1);
    CHECK_EQ(got[0], 9);
}

// A parent may move a child that has not execed.
static void group_by_parent(void) {
    int go[2], asked[2];
    char c = 0;
    CHECK_SYS(pipe(go));
    CHECK_SYS(pipe(asked));
    pid_t group = getpgrp(), child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        ask_all(geteuid(), group);
        MIGRATE_POINT();
        ask_all(geteuid(), group);
        CHECK_EQ(write(asked[1], "a", 1), 1);
        CHECK_EQ(read(go[0], &c, 1), 1);
        ask_all(geteuid(), getpid());
        CHECK_EQ(getsid(0), getsid(getppid()));
        _exit(0);
    }
    CHECK_EQ(read(asked[0], &c, 1), 1);
    CHECK_SYS(setpgid(child, child));
    CHECK_EQ(write(go[1], "g", 1), 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(getpgrp(), group);
}

static void session_of_its_own(void) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        CHECK(getsid(0) != getpid());
        MIGRATE_POINT();
        CHECK(getsid(0) != getpid());
        CHECK_EQ(setsid(), getpid());
        for (int i = 0; i < 2; i++) CHECK_EQ(getsid(0), getpid());
        ask_all(geteuid(), getpid());
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(void) {
    pid_t group = getpgrp();
    ask_all(geteuid(), group);
    MIGRATE_POINT();
    ask_all(geteuid(), group);
    int top = sched_get_priority_max(SCHED_FIFO);
    for (int i = 0; i < 2; i++) CHECK_EQ(sched_get_priority_max(SCHED_FIFO), top);
    CHECK_EQ(sched_get_priority_min(SCHED_OTHER), 0);
    group_by_parent();
    MIGRATE_POINT();
    session_of_its_own();
    if (geteuid() == 0) credentials_of_a_thread();
    MIGRATE_POINT();
    if (getpgrp() != getpid()) {
        CHECK_SYS(setpgid(0, 0));
        ask_all(geteuid(), getpid());
    }
    MIGRATE_POINT();
    ask_all(geteuid(), getpid());
    test_done();
}
