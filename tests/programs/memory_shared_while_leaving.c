// A child that shares memory with the program is made at any time while the program leaves: each wakes the other up, again
// and again.
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "pmi_test.h"

enum { TURNS = 300, ROUNDS = 4, MEMORY = 48 << 20 };
struct shared {
    sem_t there, back;
    int count;
};
static atomic_int is_over;

static void wait_for(sem_t* semaphore) {
    while (sem_wait(semaphore) != 0) CHECK_EQ(errno, EINTR);
}

static void take_turns(void) {
    struct shared* s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    CHECK_SYS(sem_init(&s->there, 1, 0));
    CHECK_SYS(sem_init(&s->back, 1, 0));
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        for (int i = 0; i < TURNS; i++) {
            wait_for(&s->there);
            s->count++;
            sem_post(&s->back);
            usleep(100);
        }
        _exit(0);
    }
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(s->count, i);
        sem_post(&s->there);
        wait_for(&s->back);
    }
    CHECK_EXITED(child, 0);
    CHECK_SYS(munmap(s, 4096));
}

static void* share_now_and_then(void* unused) {
    for (unsigned n = 1; !is_over; n++) {
        usleep(n * 7919 % 60 * 1000);
        take_turns();
    }
    return unused;
}

int main(void) {
    char* memory = malloc(MEMORY);
    for (size_t i = 0; i < MEMORY; i += 64) memory[i] = (char)(i * 2654435761u >> 20);
    pthread_t sharer;
    CHECK_EQ(pthread_create(&sharer, NULL, share_now_and_then, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        MIGRATE_POINT();
        usleep(30000);
    }
    is_over = 1;
    CHECK_EQ(pthread_join(sharer, NULL), 0);
    free(memory);
    test_done();
}
