// FUTEX_CMP_REQUEUE moves waiters to another word; FUTEX_WAKE_OP changes a word and wakes. A waiter that was moved and is
// stopped meanwhile (by SIGSTOP too) begins its wait anew, with the first word: so whoever moves waiters changes that
// word before, and they find it changed, as condition variables do.
#include "pmi_test.h"
enum { WAITERS = 4 };
static _Atomic uint32_t sequence, permits;
static atomic_int waiting, awake;
static void* waiter(void* argument) {
    waiting++;
    long result = syscall(SYS_futex, &sequence, FUTEX_WAIT_PRIVATE, 0, NULL);
    CHECK(result == 0 || (result == -1 && errno == EAGAIN && sequence != 0));
    for (uint32_t seen;;) {
        if ((seen = permits) == 0)
            syscall(SYS_futex, &permits, FUTEX_WAIT_PRIVATE, 0, NULL);
        else if (atomic_compare_exchange_strong(&permits, &seen, seen - 1))
            break;
    }
    awake++;
    return argument;
}
int main(void) {
    pthread_t threads[WAITERS];
    for (int i = 0; i < WAITERS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, waiter, NULL));
    WAIT_FOR(waiting == WAITERS);
    CHECK_ERRNO(syscall(SYS_futex, &sequence, FUTEX_CMP_REQUEUE_PRIVATE, 1, 3L, &permits, 9), EAGAIN);
    MIGRATE_POINT();
    sequence = 1;
    long moved = CHECK_SYS(syscall(SYS_futex, &sequence, FUTEX_CMP_REQUEUE_PRIVATE, 0, (long)WAITERS, &permits, 1));
    CHECK(moved >= 0 && moved <= WAITERS);  // who was not asleep yet has seen the change
    MIGRATE_POINT();
    CHECK_EQ(syscall(SYS_futex, &sequence, FUTEX_WAKE_PRIVATE, WAITERS), 0);
    CHECK_EQ(awake, 0);
    permits = 1;
    CHECK(CHECK_SYS(syscall(SYS_futex, &permits, FUTEX_WAKE_PRIVATE, 1)) <= 1);
    WAIT_FOR(awake == 1);
    MIGRATE_POINT();
    CHECK_EQ(awake, 1);
    permits = 3;
    long woken = CHECK_SYS(
        syscall(SYS_futex, &permits, FUTEX_WAKE_OP_PRIVATE, 3, 0L, &sequence, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
    CHECK(woken <= 3);
    CHECK_EQ(sequence, 6);
    for (int i = 0; i < WAITERS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(awake, WAITERS);
    test_done();
}
