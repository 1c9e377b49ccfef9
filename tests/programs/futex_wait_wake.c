// Raw futexes: EAGAIN on another value, wake counts, bitsets.
#include "pmi_test.h"
static _Atomic uint32_t word;
static atomic_int awake, waiting;
static void* waiter(void* argument) {
    uint32_t bits = (uint32_t)(uintptr_t)argument;
    waiting++;
    while (word == 0) {
        long result = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits);
        CHECK(result == 0 || errno == EAGAIN);
        if (result == 0) break;
    }
    awake++;
    return NULL;
}
int main(void) {
    CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, NULL), EAGAIN);
    CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 10), 0);
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, waiter, (void*)(uintptr_t)(i < 2 ? 1 : 2)));
    WAIT_FOR(waiting == 6);
    sleep_ms(30);
    MIGRATE_POINT();
    CHECK_EQ(awake, 0);  // nobody is woken for no reason
    int woken = 0;
    while (woken < 2) woken += (int)CHECK_SYS(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 1));
    CHECK_EQ(woken, 2);
    WAIT_FOR(awake == 2);
    MIGRATE_POINT();
    for (; woken < 5; woken += (int)CHECK_SYS(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1))) {
    }
    WAIT_FOR(awake == 5);
    sleep_ms(20);
    CHECK_EQ(awake, 5);
    word = 1;
    CHECK_SYS(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX));
    for (int i = 0; i < 6; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    test_done();
}
