// One write and one read of 16 MiB: complete, in order, and the same bytes.
#include "pmi_test.h"
enum { SIZE = 16 << 20 };
int main(void) {
    enter_scratch();
    char* data = CHECK_MMAP(mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uint64_t seed = 12345;
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t word = next_random(&seed);
        memcpy(data + i, &word, 8);
    }
    int fd = (int)CHECK_SYS(open("big", O_RDWR | O_CREAT, 0600));
    MIGRATE_POINT();
    CHECK_EQ(write(fd, data, SIZE), SIZE);
    MIGRATE_POINT();
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(read(fd, data + SIZE, SIZE), SIZE);
    CHECK(memcmp(data, data + SIZE, SIZE) == 0);
    MIGRATE_POINT();
    CHECK_EQ(pread(fd, data + SIZE, SIZE, 5), SIZE - 5);
    CHECK(memcmp(data + 5, data + SIZE, SIZE - 5) == 0);
    test_done();
}
