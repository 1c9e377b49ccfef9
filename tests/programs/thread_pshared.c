// Process-shared mutex, condition and semaphore used within one process (shared futexes).
#include "pmi_test.h"
static pthread_mutex_t* mutex;
static pthread_cond_t* cond;
static sem_t* semaphore;
static int turn;
static void* thread_main(void* argument) {
    int self = (int)(intptr_t)argument;
    for (int i = 0; i < 100; i++) {
        CHECK_ZERO(pthread_mutex_lock(mutex));
        while (turn % 2 != self) CHECK_ZERO(pthread_cond_wait(cond, mutex));
        turn++;
        CHECK_ZERO(pthread_cond_broadcast(cond));
        CHECK_ZERO(pthread_mutex_unlock(mutex));
        if (i % 40 == 20) MIGRATE_POINT();
    }
    CHECK_SYS(sem_post(semaphore));
    return NULL;
}
int main(void) {
    char* memory = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    mutex = (void*)memory, cond = (void*)(memory + 256), semaphore = (void*)(memory + 512);
    pthread_mutexattr_t mutex_attributes;
    pthread_condattr_t cond_attributes;
    CHECK_ZERO(pthread_mutexattr_init(&mutex_attributes));
    CHECK_ZERO(pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED));
    CHECK_ZERO(pthread_condattr_init(&cond_attributes));
    CHECK_ZERO(pthread_condattr_setpshared(&cond_attributes, PTHREAD_PROCESS_SHARED));
    CHECK_ZERO(pthread_mutex_init(mutex, &mutex_attributes));
    CHECK_ZERO(pthread_cond_init(cond, &cond_attributes));
    CHECK_SYS(sem_init(semaphore, 1, 0));
    pthread_t threads[2];
    for (intptr_t i = 0; i < 2; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, thread_main, (void*)i));
    CHECK_SYS(sem_wait(semaphore));
    CHECK_SYS(sem_wait(semaphore));
    for (int i = 0; i < 2; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(turn, 200);
    test_done();
}
