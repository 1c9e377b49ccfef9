// mlockall: of what is there, within the limit on locked memory, and undone again.
#include "locked_memory.h"
int main(void) {
    struct rlimit l;
    CHECK_SYS(getrlimit(RLIMIT_MEMLOCK, &l));
    if (l.rlim_cur < (16 << 20) && geteuid() != 0) test_skip("too little memory may be locked");
    for (int i = 0; i < 2; i++) {
        MIGRATE_POINT();
        CHECK_SYS(mlockall(MCL_CURRENT));
        CHECK(locked_kb() > 0);
        MIGRATE_POINT();
        CHECK_SYS(munlockall());
        CHECK_EQ(locked_kb(), 0);
    }
    MIGRATE_POINT();
    test_done();
}
