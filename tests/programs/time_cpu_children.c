// RUSAGE_CHILDREN, times and wait4's rusage count what a waited-for child used.
#include "pmi_test.h"
#include <sys/times.h>
static volatile uint64_t work;
int main(void) {
    struct rusage before, after, own;
    CHECK_SYS(getrusage(RUSAGE_CHILDREN, &before));
    pid_t child = fork();
    if (child == 0) {
        bool moved = false;
        for (int64_t used; (used = clock_ns(CLOCK_PROCESS_CPUTIME_ID)) < 200 * NSEC_PER_MSEC;) {
            for (int i = 0; i < 20000; i++) work += (uint64_t)i;
            if (!moved && used > 100 * NSEC_PER_MSEC) {
                moved = true;
                MIGRATE_POINT();
            }
        }
        _exit(0);
    }
    int status;
    CHECK_EQ(wait4(child, &status, 0, &own), child);
    CHECK_EQ(status, 0);
    MIGRATE_POINT();
    CHECK_SYS(getrusage(RUSAGE_CHILDREN, &after));
    int64_t used =
        (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000 + (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1000 +
        (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 + (after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1000;
    CHECK(used >= 150 && used < 5000);
    CHECK((own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000 + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1000 >= 150);
    struct tms t;
    times(&t);
    CHECK((t.tms_cutime + t.tms_cstime) * 1000 / sysconf(_SC_CLK_TCK) >= 150);
    test_done();
}
