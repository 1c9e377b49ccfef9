// Who the program is, asked so often that pmi may let its own code answer: always what the kernel says, in every thread and child,
// and from the very call on that changes it.
#include "pmi_test.h"

enum { OFTEN = 60 };

static void ask_often(uid_t uid, uid_t euid, gid_t gid, gid_t egid, pid_t group) {
    for (int i = 0; i < OFTEN; i++) {
        CHECK_EQ(getuid(), uid);
        CHECK_EQ(geteuid(), euid);
        CHECK_EQ(getgid(), gid);
        CHECK_EQ(getegid(), egid);
        CHECK_EQ(getpgrp(), group);
    }
}

static uid_t uid;
static gid_t gid;
static _Atomic pid_t group_of_process;
static atomic_bool ends;
static atomic_int rounds;

// Once the change is known to all, nobody gets the old one; before it is, either.
static void* ask_all_the_time(void* unused) {
    while (!ends) {
        pid_t known = group_of_process;
        pid_t got = getpgrp();
        if (got != known && got != getpid()) FAIL("group %d, not %d or %d", got, known, getpid());
        CHECK_EQ(getuid(), uid);
        rounds++;
    }
    return unused;
}

static void let_threads_ask(void) {
    int until = rounds + 200;
    while (rounds < until) sched_yield();
}

static void child_asks(pid_t group) {
    ask_often(uid, uid, gid, gid, group);
    CHECK_SYS(setpgid(0, 0));
    ask_often(uid, uid, gid, gid, getpid());
    if (uid == 0) {
        CHECK_SYS(setegid(12));
        CHECK_SYS(seteuid(65534));
        ask_often(0, 65534, gid, 12, getpid());
        CHECK_SYS(seteuid(0));
        ask_often(0, 0, gid, 12, getpid());
    }
}

static void fork_and_ask(pid_t group) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        child_asks(group);
        _exit(0);
    }
    ask_often(uid, uid, gid, gid, group);
    int status;
    CHECK_SYS(waitpid(child, &status, 0));
    CHECK_EQ(status, 0);
    ask_often(uid, uid, gid, gid, group);
}

// It changes itself in its parent's memory.
static void vfork_and_ask(pid_t group) {
    pid_t child = vfork();
    if (child == 0) {
        for (int i = 0; i < OFTEN; i++)
            if (getpgrp() != group) _exit(1);
        if (setpgid(0, 0) != 0) _exit(2);
        for (int i = 0; i < OFTEN; i++)
            if (getpgrp() != getpid()) _exit(3);
        _exit(0);
    }
    CHECK_SYS(child);
    int status;
    CHECK_SYS(waitpid(child, &status, 0));
    CHECK_EQ(status, 0);
    ask_often(uid, uid, gid, gid, group);
}

int main(void) {
    uid = (uid_t)syscall(SYS_getuid);
    gid = (gid_t)syscall(SYS_getgid);
    // In a child, which may change its group, and which leads none at first.
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child != 0) {
        int status;
        CHECK_SYS(waitpid(child, &status, 0));
        CHECK_EQ(status, 0);
        test_done();
    }
    MIGRATE_POINT();
    pid_t group = (pid_t)syscall(SYS_getpgrp);
    ask_often(uid, uid, gid, gid, group);
    MIGRATE_POINT();
    ask_often(uid, uid, gid, gid, group);
    fork_and_ask(group);
    vfork_and_ask(group);
    MIGRATE_POINT();
    ask_often(uid, uid, gid, gid, group);
    fork_and_ask(group);
    vfork_and_ask(group);

    group_of_process = group;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, ask_all_the_time, NULL));
    let_threads_ask();
    MIGRATE_POINT();
    let_threads_ask();
    CHECK_SYS(setpgid(0, 0));
    group_of_process = getpid();
    CHECK_EQ(getpgrp(), getpid());
    let_threads_ask();
    MIGRATE_POINT();
    let_threads_ask();
    ends = true;
    for (int i = 0; i < 3; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    if (uid == 0) {
        CHECK_SYS(seteuid(65534));
        ask_often(0, 65534, gid, gid, getpid());
        MIGRATE_POINT();
        ask_often(0, 65534, gid, gid, getpid());
        CHECK_SYS(seteuid(0));
    }
    ask_often(uid, uid, gid, gid, getpid());
    _exit(0);
}
