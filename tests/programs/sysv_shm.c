// A SysV shared segment attached in one process, twice, detached and attached again.
#include "pmi_test.h"
#include <sys/ipc.h>
#include <sys/shm.h>
int main(void) {
    int id = shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600);
    if (id == -1 && (errno == ENOSYS || errno == ENOSPC)) test_skip("no SysV shared memory");
    CHECK_SYS(id);
    volatile char* a = shmat(id, NULL, 0);
    volatile char* b = shmat(id, NULL, SHM_RDONLY);
    struct shmid_ds state;
    CHECK_SYS(shmctl(id, IPC_RMID, NULL));  // lives until the last detach
    CHECK(a != (void*)-1 && b != (void*)-1);
    for (int i = 0; i < 65536; i += 16) a[i] = (char)(i >> 4);
    MIGRATE_POINT();
    for (int i = 0; i < 65536; i += 16) CHECK_EQ(b[i], (char)(i >> 4));
    a[5] = 55;
    CHECK_EQ(b[5], 55);
    CHECK_SYS(shmctl(id, IPC_STAT, &state));
    CHECK_EQ(state.shm_nattch, 2);
    CHECK_EQ(state.shm_cpid, getpid());
    CHECK_SYS(shmdt((void*)(uintptr_t)a));
    MIGRATE_POINT();
    CHECK_EQ(b[5], 55);
    a = shmat(id, NULL, 0);
    CHECK(a != (void*)-1);
    a[6] = 66;
    MIGRATE_POINT();
    CHECK_EQ(b[6], 66);
    CHECK_SYS(shmdt((void*)(uintptr_t)a));
    CHECK_SYS(shmdt((void*)(uintptr_t)b));
    CHECK_ERRNO(shmdt((void*)(uintptr_t)b), EINVAL);
    test_done();
}
