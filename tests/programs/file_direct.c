// Direct I/O, which goes past the page cache and past the page tables: opened and closed over and over, and open over points.
#include "pmi_test.h"
enum { BLOCK = 4096, BLOCKS = 8, ROUNDS = 60 };

static int open_direct(const char* path) {
    int fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) fd = open(path, O_RDWR | O_CREAT, 0600);  // a filesystem that can't
    return (int)CHECK_SYS(fd);
}

int main(void) {
    enter_scratch();
    char *out, *in;
    CHECK_EQ(posix_memalign((void**)&out, BLOCK, BLOCK * BLOCKS), 0);
    CHECK_EQ(posix_memalign((void**)&in, BLOCK, BLOCK * BLOCKS), 0);
    struct timespec nap = {0, 3000000};
    for (int i = 0; i < ROUNDS; i++) {
        int fd = open_direct("direct");
        for (int k = 0; k < BLOCKS; k++) memset(out + k * BLOCK, i + k, BLOCK);
        CHECK_EQ(pwrite(fd, out, BLOCK * BLOCKS, 0), BLOCK * BLOCKS);
        if (i % 12 == 0) MIGRATE_POINT();
        CHECK_EQ(pread(fd, in, BLOCK * BLOCKS, 0), BLOCK * BLOCKS);
        nanosleep(&nap, NULL);
        CHECK_EQ(memcmp(in, out, BLOCK * BLOCKS), 0);
        CHECK_SYS(close(fd));
        nanosleep(&nap, NULL);
    }
    test_done();
}
