// mlockall: of what is there, within the limit on locked memory, and undone again.
#include "pmi_test.h"
static long locked(void) {
    static char text[8192];
    slurp("/proc/self/status", text, sizeof text);
    const char* at = strstr(text, "VmLck:");
    CHECK(at);
    return atol(at + 6);
}
int main(void) {
    struct rlimit l;
    CHECK_SYS(getrlimit(RLIMIT_MEMLOCK, &l));
    if (l.rlim_cur < (16 << 20) && geteuid() != 0) test_skip("too little memory may be locked");
    for (int i = 0; i < 2; i++) {
        MIGRATE_POINT();
        CHECK_SYS(mlockall(MCL_CURRENT));
        CHECK(locked() > 0);
        MIGRATE_POINT();
        CHECK_SYS(munlockall());
        CHECK_EQ(locked(), 0);
    }
    MIGRATE_POINT();
    test_done();
}
