// 2000 single pages scattered over 16 GiB, and 500 small maps: each keeps its own value.
#include "pmi_test.h"
int main(void) {
    size_t size = 16ULL << 30;
    char* p = CHECK_MMAP(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    static uint64_t* small[500];
    for (int i = 0; i < 500; i++) {  // PROT changes keep neighbours from merging
        int prot = i % 2 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC;
        small[i] = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (small[i] == MAP_FAILED) small[i] = CHECK_MMAP(mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        *small[i] = (uint64_t)i << 32;
    }
    for (int round = 0; round < 2; round++) {
        uint64_t seed = 5;
        for (int i = 0; i < 2000; i++) {
            uint64_t at = next_random(&seed) % (size / 4096) * 4096;
            memcpy(p + at, &at, 8);
        }
        MIGRATE_POINT();
        seed = 5;
        for (int i = 0; i < 2000; i++) {
            uint64_t value, at = next_random(&seed) % (size / 4096) * 4096;
            memcpy(&value, p + at, 8);
            CHECK_EQ(value, at);
        }
        for (uint64_t i = 0; i < 500; i++) CHECK_EQ(*small[i], i << 32);
    }
    test_done();
}
