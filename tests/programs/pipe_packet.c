// O_DIRECT pipes keep packet boundaries.
#include "pmi_test.h"
int main(void) {
    int p[2];
    if (pipe2(p, O_DIRECT) == -1 && errno == EINVAL) test_skip("no packet pipes");
    write_all(p[1], "one", 3);
    write_all(p[1], "three", 5);
    MIGRATE_POINT();
    char text[16];
    CHECK_EQ(read(p[0], text, 16), 3);
    CHECK_EQ(read(p[0], text, 2), 2);  // the rest of a packet is dropped
    write_all(p[1], "x", 1);
    MIGRATE_POINT();
    CHECK_EQ(read(p[0], text, 16), 1);
    CHECK_EQ(text[0], 'x');
    test_done();
}
