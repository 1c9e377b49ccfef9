// A private file map: own changes stay own, unchanged pages show the file.
#include "pmi_test.h"
enum { PAGE = 4096 };
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    char block[PAGE];
    for (int i = 0; i < 8; i++) {
        memset(block, 'a' + i, PAGE);
        write_all(fd, block, PAGE);
    }
    char* p = CHECK_MMAP(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    p[2 * PAGE] = 'X';
    MIGRATE_POINT();
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(p[i * PAGE], i == 2 ? 'X' : 'a' + i);
        CHECK_EQ(p[i * PAGE + 4095], 'a' + i);
    }
    CHECK_EQ(pread(fd, block, 1, 2 * PAGE), 1);
    CHECK_EQ(block[0], 'c');
    char* q = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 6 * PAGE));  // mapped after the point
    CHECK_EQ(q[0], 'g');
    CHECK_SYS(close(fd));
    CHECK_SYS(unlink("file"));
    MIGRATE_POINT();
    CHECK_EQ(q[PAGE + 5], 'h');
    CHECK_EQ(p[2 * PAGE], 'X');
    test_done();
}
