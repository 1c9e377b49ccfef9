// FUTEX_CMP_REQUEUE moves waiters to another word; FUTEX_WAKE_OP changes a word and wakes.
#include "pmi_test.h"
static _Atomic uint32_t first, second;
static atomic_int waiting, awake;
static void* waiter(void* argument) {
    waiting++;
    long result = syscall(SYS_futex, &first, FUTEX_WAIT_PRIVATE, 0, NULL);
    CHECK_EQ(result, 0);
    awake++;
    return argument;
}
int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, waiter, NULL));
    WAIT_FOR(waiting == 4);
    CHECK_ERRNO(syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE_PRIVATE, 1, 3L, &second, 9), EAGAIN);
    MIGRATE_POINT();
    int moved = 0;
    while (moved < 4)  // those not yet asleep come with the next call
        moved += (int)CHECK_SYS(syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE_PRIVATE, 0, 4L, &second, 0));
    CHECK_EQ(moved, 4);
    MIGRATE_POINT();
    CHECK_EQ(syscall(SYS_futex, &first, FUTEX_WAKE_PRIVATE, 4), 0);
    CHECK_EQ(awake, 0);
    CHECK_EQ(syscall(SYS_futex, &second, FUTEX_WAKE_PRIVATE, 1), 1);
    WAIT_FOR(awake == 1);
    MIGRATE_POINT();
    long result = CHECK_SYS(syscall(SYS_futex, &second, FUTEX_WAKE_OP_PRIVATE, 3, 0L, &first,
                                    FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
    CHECK_EQ(result, 3);
    CHECK_EQ(first, 5);
    for (int i = 0; i < 4; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
