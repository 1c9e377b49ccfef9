// /proc/self/mem reads and writes one's own variables.
#include "pmi_test.h"
static volatile uint64_t variable = 0x1111222233334444;
int main(void) {
    int fd = open("/proc/self/mem", O_RDWR);
    if (fd == -1 && (errno == EACCES || errno == EPERM)) test_skip("/proc/self/mem isn't allowed");
    CHECK_SYS(fd);
    for (int round = 0; round < 3; round++) {
        variable = 0x1111222233334444 + (uint64_t)round;
        MIGRATE_POINT();
        uint64_t value = 0;
        CHECK_EQ(pread(fd, &value, sizeof value, (off_t)(uintptr_t)&variable), (long)sizeof value);
        CHECK_EQ(value, 0x1111222233334444 + (uint64_t)round);
        value = 99 + (uint64_t)round;
        CHECK_EQ(pwrite(fd, &value, sizeof value, (off_t)(uintptr_t)&variable), (long)sizeof value);
        CHECK_EQ(variable, 99 + (uint64_t)round);
    }
    uint64_t value;
    CHECK_ERRNO(pread(fd, &value, sizeof value, 4096), EIO);
    test_done();
}
