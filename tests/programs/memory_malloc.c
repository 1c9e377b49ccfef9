// malloc, realloc and free of many sizes over points, every block keeps its pattern.
#include "pmi_test.h"
enum { SLOTS = 300 };
int main(void) {
    unsigned char* block[SLOTS] = {0};
    size_t size[SLOTS] = {0};
    uint64_t seed = 4711;
    for (int step = 0; step < 6000; step++) {
        uint64_t r = next_random(&seed);
        int i = (int)(r % SLOTS);
        for (size_t k = 0; k < size[i]; k += 97) CHECK_EQ(block[i][k], (i * 7 + (int)k) & 255);
        size[i] = (r >> 32) % ((r >> 20) % 50 == 0 ? 300000 : 3000) + 1;
        block[i] = realloc(block[i], size[i]);
        CHECK(block[i] != NULL);
        for (size_t k = 0; k < size[i]; k++) block[i][k] = (unsigned char)(i * 7 + (int)k);
        if (step % 1500 == 700) MIGRATE_POINT();
    }
    for (int i = 0; i < SLOTS; i++) {
        for (size_t k = 0; k < size[i]; k++) CHECK_EQ(block[i][k], (i * 7 + (int)k) & 255);
        free(block[i]);
    }
    test_done();
}
