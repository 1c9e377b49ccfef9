// User and group numbers of every kind stay the same.
#include "pmi_test.h"
#include <grp.h>
#include <sys/fsuid.h>
int main(void) {
    uid_t r[3], a[3];
    gid_t g[3], b[3], groups[256], again[256];
    CHECK_SYS(getresuid(&r[0], &r[1], &r[2]));
    CHECK_SYS(getresgid(&g[0], &g[1], &g[2]));
    int count = (int)CHECK_SYS(getgroups(256, groups));
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        CHECK_SYS(getresuid(&a[0], &a[1], &a[2]));
        CHECK_SYS(getresgid(&b[0], &b[1], &b[2]));
        CHECK(memcmp(a, r, sizeof a) == 0 && memcmp(b, g, sizeof b) == 0);
        CHECK_EQ(getuid(), r[0]);
        CHECK_EQ(geteuid(), r[1]);
        CHECK_EQ(getgid(), g[0]);
        CHECK_EQ(getegid(), g[1]);
        CHECK_EQ(setfsuid((uid_t)-1), (int)r[1]);
        CHECK_EQ(getgroups(0, NULL), count);
        CHECK_EQ(getgroups(256, again), count);
        CHECK(memcmp(groups, again, (size_t)count * sizeof groups[0]) == 0);
    }
    if (r[1] != 0) CHECK_ERRNO(setuid(0), EPERM);
    test_done();
}
