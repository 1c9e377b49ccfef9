// Memory that the kernel may drop (MAP_DROPPABLE, Linux 6.11), as C libraries have for random numbers: a child of fork sees zeros.
#include "pmi_test.h"
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif
int main(void) {
    char* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) test_skip("no MAP_DROPPABLE");
    for (int round = 0; round < 4; round++) {
        memset(page, 1 + round, 4096);
        MIGRATE_POINT();
        CHECK(page[5] == 1 + round || page[5] == 0);
        pid_t child = CHECK_SYS(fork());
        if (child == 0) {
            CHECK_EQ(page[5], 0);
            MIGRATE_POINT();
            CHECK_EQ(page[5], 0);
            _exit(0);
        }
        CHECK_EXITED(child, 0);
        if (round == 1) {
            CHECK_ZERO(munmap(page, 4096));
            page = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0));
        }
    }
    test_done();
}
