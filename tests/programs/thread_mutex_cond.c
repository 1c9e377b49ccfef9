// Producer and consumers with a mutex and two conditions: every item once.
#include "pmi_test.h"
enum { ITEMS = 4000, ROOM = 8 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int queue[ROOM], count, head;
static atomic_int seen[ITEMS];
static void* consumer(void* argument) {
    intptr_t taken = 0;
    for (;; taken++) {
        CHECK_ZERO(pthread_mutex_lock(&mutex));
        while (count == 0) CHECK_ZERO(pthread_cond_wait(&filled, &mutex));
        int item = queue[head];
        head = (head + 1) % ROOM;
        count--;
        CHECK_ZERO(pthread_cond_signal(&emptied));
        CHECK_ZERO(pthread_mutex_unlock(&mutex));
        if (item < 0) return (void*)taken;
        seen[item]++;
        if (argument && taken % 500 == 250) MIGRATE_POINT();
    }
}
int main(void) {
    pthread_t threads[3];
    for (intptr_t i = 0; i < 3; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, consumer, (void*)i));
    for (int i = 0; i < ITEMS + 3; i++) {
        CHECK_ZERO(pthread_mutex_lock(&mutex));
        while (count == ROOM) CHECK_ZERO(pthread_cond_wait(&emptied, &mutex));
        queue[(head + count++) % ROOM] = i < ITEMS ? i : -1;
        CHECK_ZERO(pthread_cond_signal(&filled));
        CHECK_ZERO(pthread_mutex_unlock(&mutex));
        if (i % 1000 == 500) MIGRATE_POINT();
    }
    intptr_t total = 0;
    for (int i = 0; i < 3; i++) {
        void* taken;
        CHECK_ZERO(pthread_join(threads[i], &taken));
        total += (intptr_t)taken;
    }
    CHECK_EQ(total, ITEMS);
    for (int i = 0; i < ITEMS; i++) CHECK_EQ(seen[i], 1);
    test_done();
}
