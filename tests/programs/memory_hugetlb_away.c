// Huge pages of hugetlbfs (vm.nr_hugepages): what is mapped away is there, and so is the way home.
#include "pmi_test.h"
int main(void) {
    for (int i = 0; i < 2; i++) {
        MIGRATE_POINT();
        char* p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
        if (p == MAP_FAILED) {
            if (i == 0) test_skip("no huge pages");
            FAIL("mmap: %s", strerror(errno));
        }
        memset(p, 7, 2 << 20);
        getppid();
        MIGRATE_POINT();
        for (int k = 0; k < 2 << 20; k += 4096) CHECK_EQ(p[k], 7);
        FILE* f = fopen("/proc/self/maps", "r");
        CHECK(f);
        fclose(f);
        CHECK_SYS(munmap(p, 2 << 20));
    }
    MIGRATE_POINT();
    test_done();
}
