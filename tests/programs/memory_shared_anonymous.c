// Anonymous shared memory with one user keeps its contents.
#include "pmi_test.h"
int main(void) {
    unsigned* p = CHECK_MMAP(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (unsigned i = 0; i < 1 << 18; i++) p[i] = i * 2654435761u;
    MIGRATE_POINT();
    for (unsigned i = 0; i < 1 << 18; i++) CHECK_EQ(p[i], i * 2654435761u);
    p[7] = 7;
    MIGRATE_POINT();
    CHECK_EQ(p[7], 7);
    test_done();
}
