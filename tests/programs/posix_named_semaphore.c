// A named semaphore within one process; its value and its file go.
#include "pmi_test.h"
int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/pmi-test-%d-%lld", getpid(), (long long)now_ns());
    sem_t* semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
    if (semaphore == SEM_FAILED && (errno == ENOENT || errno == EACCES || errno == ENOSYS)) test_skip("no /dev/shm");
    CHECK(semaphore != SEM_FAILED);
    sem_t* again = sem_open(name, 0);
    CHECK_SYS(sem_unlink(name));
    CHECK(again == semaphore);
    MIGRATE_POINT();
    CHECK_SYS(sem_wait(semaphore));
    int value;
    CHECK_SYS(sem_getvalue(again, &value));
    CHECK_EQ(value, 1);
    CHECK_SYS(sem_post(again));
    CHECK_SYS(sem_post(again));
    MIGRATE_POINT();
    CHECK_SYS(sem_getvalue(semaphore, &value));
    CHECK_EQ(value, 3);
    CHECK_SYS(sem_close(again));
    CHECK_SYS(sem_close(semaphore));
    CHECK(sem_open(name, 0) == SEM_FAILED);
    CHECK_EQ(errno, ENOENT);
    test_done();
}
