// uname, gethostname, sysinfo and the page size describe one machine, the same over points.
#include "pmi_test.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>
int main(void) {
    struct utsname first, now;
    char name[256], again[256];
    struct sysinfo before, after;
    CHECK_SYS(uname(&first));
    CHECK_SYS(gethostname(name, sizeof name));
    CHECK_STR(first.nodename, name);
    CHECK_SYS(sysinfo(&before));
    CHECK_STR(first.sysname, "Linux");
    CHECK_STR(first.machine, "x86_64");
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        CHECK_SYS(uname(&now));
        CHECK(memcmp(&now, &first, sizeof now) == 0);
        CHECK_SYS(gethostname(again, sizeof again));
        CHECK_STR(again, name);
        CHECK_SYS(sysinfo(&after));
        CHECK(after.uptime >= before.uptime && after.uptime <= before.uptime + 10);
        CHECK_EQ(after.totalram, before.totalram);
        CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
        slurp("/proc/sys/kernel/hostname", again, sizeof again);
        again[strcspn(again, "\n")] = 0;
        CHECK_STR(again, name);
    }
    test_done();
}
