// 64 MiB of random bytes have the same hash after every point, and take changes in between.
#include "pmi_test.h"
enum { SIZE = 64 << 20 };
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uint64_t seed = 20240607;
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t word = next_random(&seed);
        memcpy(p + i, &word, 8);
    }
    for (int round = 0; round < 4; round++) {
        uint64_t hash = hash_bytes(p, SIZE);
        MIGRATE_POINT();
        CHECK(hash_bytes(p, SIZE) == hash);
        for (int i = 0; i < 5000; i++) p[next_random(&seed) % SIZE] ^= (char)(i | 1);
        CHECK(hash_bytes(p, SIZE) != hash);
    }
    test_done();
}
