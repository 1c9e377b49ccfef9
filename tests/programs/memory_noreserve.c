// A reservation of 512 GiB costs nothing; a few pages far apart keep their contents.
#include "pmi_test.h"
int main(void) {
    size_t size = 512ULL << 30;
    char* p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED && errno == ENOMEM) test_skip("no room for a large reservation");
    CHECK(p != MAP_FAILED);
    char* none = CHECK_MMAP(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    for (size_t at = 0; at < size; at += 16ULL << 30) p[at] = (char)((at >> 34) + 1);
    MIGRATE_POINT();
    for (size_t at = 0; at < size; at += 16ULL << 30) CHECK_EQ(p[at], (char)((at >> 34) + 1));
    CHECK_SYS(mprotect(none + (100ULL << 30), 4096, PROT_READ | PROT_WRITE));
    none[100ULL << 30] = 42;
    MIGRATE_POINT();
    CHECK_EQ(none[100ULL << 30], 42);
    CHECK_EQ(p[12345], 0);
    test_done();
}
