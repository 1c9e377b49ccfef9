// sched_getcpu (rseq), the getcpu call and the vDSO name a CPU that exists; pinned, they name that one.
#include "pmi_test.h"
int main(void) {
    cpu_set_t all, one;
    CHECK_SYS(sched_getaffinity(0, sizeof all, &all));
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    for (int round = 0; round < 3; round++) {
        unsigned cpu = 9999, node;
        int from_libc = sched_getcpu();
        CHECK(from_libc >= 0 && from_libc < configured);
        CHECK_SYS(syscall(SYS_getcpu, &cpu, &node, NULL));
        CHECK(cpu < (unsigned)configured);
        MIGRATE_POINT();
        for (int i = 0; i < CPU_SETSIZE; i++) {
            if (!CPU_ISSET(i, &all)) continue;
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            CHECK_SYS(sched_setaffinity(0, sizeof one, &one));
            CHECK_EQ(sched_getcpu(), i);
            CHECK_SYS(syscall(SYS_getcpu, &cpu, NULL, NULL));
            CHECK_EQ(cpu, i);
        }
        CHECK_SYS(sched_setaffinity(0, sizeof all, &all));
    }
    test_done();
}
