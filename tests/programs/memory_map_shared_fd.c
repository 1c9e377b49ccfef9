// read, write and all else on a file agree with its shared map at any time.
#include "pmi_test.h"
#include <sys/sendfile.h>
enum { PAGE = 4096 };
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int other = (int)CHECK_SYS(open("other", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, 8 * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char text[16];
    for (int round = 0; round < 8; round++) {
        char* page = p + round * PAGE;
        long at = (long)round * PAGE;
        MIGRATE_POINT();
        snprintf(page, 16, "round %d", round);
        memset(text, 0, sizeof text);
        CHECK_EQ(pread(fd, text, 16, at), 16);
        CHECK_STR(text, page);
        // Bytes of one page from both sides.
        CHECK_EQ(pwrite(fd, "write", 5, at + 100), 5);
        memcpy(page + 105, "store", 6);
        CHECK_STR(page + 100, "writestore");
        MIGRATE_POINT();
        CHECK_STR(page + 100, "writestore");
        memset(text, 0, sizeof text);
        CHECK_EQ(pread(fd, text, 11, at + 100), 11);
        CHECK_STR(text, "writestore");
        off_t from = at;
        memcpy(page, "copied", 7);
        CHECK_EQ(sendfile(other, fd, &from, 7), 7);
        CHECK_EQ(pread(other, text, 7, (long)round * 7), 7);
        CHECK_STR(text, "copied");
        struct iovec vec = {(void*)(uintptr_t) "vector", 7};
        CHECK_EQ(pwritev(fd, &vec, 1, at + 200), 7);
        CHECK_STR(page + 200, "vector");
        MIGRATE_POINT();
        CHECK_SYS(lseek(fd, at + 300, SEEK_SET));
        write_all(fd, "seek", 5);
        CHECK_STR(page + 300, "seek");
        CHECK_STR(page, "copied");
        CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 250));
        CHECK_EQ(page[0], 0);
        CHECK_EQ(page[200], 0);
        CHECK_STR(page + 300, "seek");
    }
    CHECK_SYS(truncate("file", 0));
    CHECK_SYS(ftruncate(fd, 8 * PAGE));
    for (long i = 0; i < 8 * PAGE; i += 64) CHECK_EQ(p[i], 0);
    MIGRATE_POINT();
    for (long i = 0; i < 8 * PAGE; i += 64) CHECK_EQ(p[i], 0);
    p[5] = 5;
    CHECK_SYS(close((int)CHECK_SYS(open("file", O_RDWR | O_TRUNC))));
    CHECK_SYS(ftruncate(fd, PAGE));
    CHECK_EQ(p[5], 0);
    test_done();
}
