// O_NONBLOCK: EAGAIN on empty and full; a write above PIPE_BUF may be partial, one up to PIPE_BUF is all or
// nothing.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe2(p, O_NONBLOCK));
    static char data[200000], back[200000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31 >> 3);
    CHECK_ERRNO(read(p[0], back, 1), EAGAIN);
    long capacity = CHECK_SYS(fcntl(p[0], F_GETPIPE_SZ));
    MIGRATE_POINT();
    CHECK_EQ(write(p[1], data, sizeof data), capacity);
    CHECK_ERRNO(write(p[1], data, 1), EAGAIN);
    CHECK_EQ(read(p[0], back, 100), 100);
    MIGRATE_POINT();
    CHECK_ERRNO(write(p[1], data, PIPE_BUF), EAGAIN);
    read_all(p[0], back + 100, (size_t)capacity - 100);
    CHECK(memcmp(data, back, (size_t)capacity) == 0);
    CHECK_EQ(write(p[1], data, PIPE_BUF), PIPE_BUF);
    MIGRATE_POINT();
    CHECK_EQ(read(p[0], back, sizeof back), PIPE_BUF);
    CHECK_ERRNO(read(p[0], back, 1), EAGAIN);
    test_done();
}
