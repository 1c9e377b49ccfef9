// getrandom and /dev/urandom give fresh bytes after every point, and differ between parent and child.
#include "pmi_test.h"
#include <sys/random.h>
int main(void) {
    unsigned char seen[6][32];
    for (int i = 0; i < 6; i++) {
        if (i % 2) {
            CHECK_EQ(getrandom(seen[i], 32, 0), 32);
        } else {
            int fd = (int)CHECK_SYS(open("/dev/urandom", O_RDONLY));
            read_all(fd, seen[i], 32);
            CHECK_SYS(close(fd));
        }
        for (int k = 0; k < i; k++) CHECK(memcmp(seen[i], seen[k], 32) != 0);
        MIGRATE_POINT();
    }
    int p[2];
    CHECK_SYS(pipe(p));
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        unsigned char bytes[32];
        CHECK_EQ(getrandom(bytes, 32, GRND_NONBLOCK), 32);
        write_all(p[1], bytes, 32);
        _exit(0);
    }
    CHECK_EQ(getrandom(seen[0], 32, 0), 32);
    read_all(p[0], seen[1], 32);
    CHECK(memcmp(seen[0], seen[1], 32) != 0);
    CHECK_EXITED(child, 0);
    test_done();
}
