// poll: readiness, POLLHUP, POLLERR, POLLNVAL, negative descriptors, many entries.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    struct pollfd set[4] = {{p[0], POLLIN, -1}, {p[1], POLLOUT, -1}, {-5, POLLIN, -1}, {900, POLLIN, -1}};
    MIGRATE_POINT();
    CHECK_EQ(poll(set, 4, -1), 2);
    CHECK_EQ(set[0].revents, 0);
    CHECK_EQ(set[1].revents, POLLOUT);
    CHECK_EQ(set[2].revents, 0);
    CHECK_EQ(set[3].revents, POLLNVAL);
    write_all(p[1], "x", 1);
    MIGRATE_POINT();
    CHECK_EQ(poll(set, 1, -1), 1);
    CHECK_EQ(set[0].revents, POLLIN);
    CHECK_SYS(close(p[1]));
    CHECK_EQ(poll(set, 1, -1), 1);
    CHECK_EQ(set[0].revents, POLLIN | POLLHUP);
    MIGRATE_POINT();
    struct pollfd many[500];
    for (int i = 0; i < 500; i++) many[i] = (struct pollfd){i % 2 ? p[0] : -1, POLLIN, 0};
    CHECK_EQ(poll(many, 500, 0), 250);
    int64_t start = now_ns();
    CHECK_EQ(poll(NULL, 0, 150), 0);
    CHECK_ELAPSED(start, 150);
    test_done();
}
