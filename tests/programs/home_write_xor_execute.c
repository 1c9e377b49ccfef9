// PR_SET_MDWE: from then on the program has no memory that is both written and executed. It stays home with that, wherever it has
// asked for it.
#include "pmi_test.h"
#include <sys/prctl.h>
enum { kSetMdwe = 65, kGetMdwe = 66, kRefuseExecGain = 1 };
int main(void) {
    MIGRATE_POINT();
    if (prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0) != 0) test_skip("no PR_SET_MDWE");
    for (int round = 0; round < 3; round++) {
        MIGRATE_POINT();
        CHECK_EQ(prctl(kGetMdwe, 0, 0, 0, 0), kRefuseExecGain);
        void* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(mapped == MAP_FAILED && errno == EACCES);
        char* page = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        CHECK_ERRNO(mprotect(page, 4096, PROT_READ | PROT_EXEC), EACCES);
        CHECK_ZERO(munmap(page, 4096));
    }
    test_done();
}
