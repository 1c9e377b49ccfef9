// Bytes that wait in a pipe stay there.
#include "pmi_test.h"
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    char data[60000], back[60000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i % 251);
    write_all(p[1], data, sizeof data);
    MIGRATE_POINT();
    read_all(p[0], back, 10000);
    MIGRATE_POINT();
    CHECK_SYS(close(p[1]));
    read_all(p[0], back + 10000, 50000);
    CHECK(memcmp(data, back, sizeof data) == 0);
    MIGRATE_POINT();
    CHECK_EQ(read(p[0], back, 1), 0);
    test_done();
}
