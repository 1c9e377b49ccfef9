// 16 MiB in one write through a pipe to a reader thread: nothing lost, nothing twice.
#include "pmi_test.h"
enum { SIZE = 16 << 20 };
static int ends[2];
static char* data;
static void* reader(void* result) {
    char* back = malloc(SIZE);
    CHECK(back != NULL);
    for (size_t done = 0, rounds = 0; done < SIZE; rounds++) {
        if (rounds % 100 == 50) MIGRATE_POINT();
        long got = CHECK_SYS(read(ends[0], back + done, SIZE - done));
        CHECK(got > 0);
        done += (size_t)got;
    }
    CHECK_EQ(read(ends[0], back, 1), 0);
    *(bool*)result = memcmp(back, data, SIZE) == 0;
    free(back);
    return NULL;
}
int main(void) {
    data = malloc(SIZE);
    CHECK(data != NULL);
    uint64_t seed = 99;
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t word = next_random(&seed);
        memcpy(data + i, &word, 8);
    }
    CHECK_SYS(pipe(ends));
    pthread_t thread;
    bool same = false;
    CHECK_ZERO(pthread_create(&thread, NULL, reader, &same));
    CHECK_EQ(write(ends[1], data, SIZE), SIZE);
    CHECK_SYS(close(ends[1]));
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK(same);
    test_done();
}
