// F_SETPIPE_SZ: the capacity is rounded up, kept, and holds what it says.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe2(p, O_NONBLOCK));
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 200000), 262144);
    MIGRATE_POINT();
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 262144);
    static char data[300000];
    CHECK_EQ(write(p[1], data, sizeof data), 262144);
    MIGRATE_POINT();
    CHECK_ERRNO(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
    int waiting;
    CHECK_SYS(ioctl(p[0], FIONREAD, &waiting));
    CHECK_EQ(waiting, 262144);
    read_all(p[0], data, 262144);
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 1), 4096);
    test_done();
}
