// Named semaphores, which another process opens when the program may be on another node already: each wakes the other up.
#include <fcntl.h>
#include <semaphore.h>

#include "pmi_test.h"

enum { TURNS = 200 };
static char names[2][64];

static sem_t* open_one(int i, int flags) {
    sem_t* semaphore = sem_open(names[i], flags, 0600, 0);
    CHECK(semaphore != SEM_FAILED);
    return semaphore;
}
static void wait_for(sem_t* semaphore) {
    while (sem_wait(semaphore) != 0) CHECK_EQ(errno, EINTR);
}

static void answer(int from_parent) {
    char go;
    read_all(from_parent, &go, 1);
    sem_t *there = open_one(0, 0), *back = open_one(1, 0);
    for (int i = 0; i < TURNS; i++) {
        wait_for(there);
        CHECK_SYS(sem_post(back));
    }
    _exit(0);
}

int main(void) {
    int to_child[2];
    CHECK_SYS(pipe(to_child));
    for (int i = 0; i < 2; i++) snprintf(names[i], sizeof names[i], "/pmi-test-%d-%d", getpid(), i);
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) answer(to_child[0]);
    sem_t *there = open_one(0, O_CREAT | O_EXCL), *back = open_one(1, O_CREAT | O_EXCL);
    MIGRATE_POINT();
    write_all(to_child[1], "g", 1);
    for (int i = 0; i < TURNS / 4; i++) CHECK_SYS(sem_post(there));
    for (int i = 0; i < TURNS / 4; i++) wait_for(back);
    for (int i = TURNS / 4; i < TURNS / 2; i++) {
        CHECK_SYS(sem_post(there));
        wait_for(back);
    }
    MIGRATE_POINT();
    for (int i = TURNS / 2; i < TURNS; i++) CHECK_SYS(sem_post(there));
    for (int i = TURNS / 2; i < TURNS; i++) wait_for(back);
    CHECK_EXITED(child, 0);
    for (int i = 0, value = 1; i < 2; i++) {
        CHECK_SYS(sem_getvalue(i == 0 ? there : back, &value));
        CHECK_EQ(value, 0);
    }
    MIGRATE_POINT();
    for (int i = 0; i < 2; i++) CHECK_SYS(sem_unlink(names[i]));
    test_done();
}
