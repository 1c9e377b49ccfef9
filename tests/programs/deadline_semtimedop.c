// semtimedop on a semaphore that nobody raises: EAGAIN at its time, never EINTR.
#include "pmi_test.h"
#include <sys/ipc.h>
#include <sys/sem.h>
int main(void) {
    int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (id == -1 && errno == ENOSYS) test_skip("no SysV semaphores");
    CHECK_SYS(id);
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 300);
    struct sembuf down = {0, -1, 0};
    struct timespec limit = {2, 0};
    int64_t start = now_ns();
    long result = semtimedop(id, &down, 1, &limit);
    int error = errno;
    int64_t elapsed = now_ns() - start;
    CHECK_SYS(semctl(id, 0, IPC_RMID));  // first, so that a failure leaves none behind
    CHECK_EQ(result, -1);
    CHECK_EQ(error, EAGAIN);
    CHECK(elapsed >= 1990 * NSEC_PER_MSEC && elapsed <= 3500 * NSEC_PER_MSEC);
    later_point_join(&later);
    test_done();
}
