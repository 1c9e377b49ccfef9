// SysV semaphores: values, SEM_UNDO at exit, a blocked semop without EINTR, removal gives EIDRM.
#include "pmi_test.h"
#include <sys/ipc.h>
#include <sys/sem.h>
static int id;
static atomic_int state;
static void* downer(void* argument) {
    struct sembuf down = {0, -2, 0};
    state = 1;
    CHECK_SYS(semop(id, &down, 1));
    state = 2;
    CHECK_ERRNO(semop(id, &down, 1), EIDRM);
    return argument;
}
int main(void) {
    id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    if (id == -1 && (errno == ENOSYS || errno == ENOSPC)) test_skip("no SysV semaphores");
    CHECK_SYS(id);
    unsigned short values[3] = {0, 5, 7}, back[3];
    CHECK_SYS(semctl(id, 0, SETALL, values));
    MIGRATE_POINT();
    CHECK_SYS(semctl(id, 0, GETALL, back));
    CHECK(memcmp(values, back, sizeof back) == 0);
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, downer, NULL));
    WAIT_FOR(state == 1);
    WAIT_FOR(semctl(id, 0, GETNCNT) == 1);
    MIGRATE_POINT();
    struct sembuf up = {0, 2, 0}, undo[2] = {{1, -3, SEM_UNDO}, {2, -7, SEM_UNDO}};
    CHECK_SYS(semop(id, &up, 1));
    WAIT_FOR(state == 2);
    CHECK_EQ(semctl(id, 0, GETPID), getpid());
    pid_t child = fork();
    if (child == 0) {
        CHECK_SYS(semop(id, undo, 2));
        MIGRATE_POINT();
        CHECK_EQ(semctl(id, 1, GETVAL), 2);
        _exit(0);
    }
    CHECK_EXITED(child, 0);
    CHECK_EQ(semctl(id, 1, GETVAL), 5);
    CHECK_EQ(semctl(id, 2, GETVAL), 7);
    WAIT_FOR(semctl(id, 0, GETNCNT) == 1);
    MIGRATE_POINT();
    CHECK_SYS(semctl(id, 0, IPC_RMID));
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
