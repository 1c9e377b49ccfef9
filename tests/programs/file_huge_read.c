// Reads of 260 MiB, which is more than a node has room for in one answer: whole, as on Linux, and so is one to which a file has
// less.
#include <sys/uio.h>

#include "pmi_test.h"
enum { PARTS = 260, PART = 1 << 20, SIZE = PARTS * PART };
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("sparse", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, SIZE));
    CHECK_EQ(pwrite(fd, "end", 3, SIZE - 3), 3);
    char* data = CHECK_MMAP(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    static struct iovec parts[PARTS];
    for (int i = 0; i < PARTS; i++) parts[i] = (struct iovec){data, PART};  // the last one stays
    MIGRATE_POINT();
    CHECK_EQ(preadv(fd, parts, PARTS, 0), SIZE);
    CHECK(memcmp(data + PART - 3, "end", 3) == 0);
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, data, SIZE, SIZE - 3), 3);
    CHECK(memcmp(data, "end", 3) == 0);
    MIGRATE_POINT();
    CHECK_SYS(munmap(data, SIZE));
    MIGRATE_POINT();
    test_done();
}
