// A shared read-only map follows the file.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    write_all(fd, "first", 5);
    int reader = (int)CHECK_SYS(open("file", O_RDONLY));
    volatile char* p = CHECK_MMAP(mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0));
    CHECK_EQ(p[0], 'f');
    MIGRATE_POINT();
    CHECK_EQ(p[0], 'f');
    CHECK_EQ(pwrite(fd, "F", 1, 0), 1);
    CHECK_EQ(p[0], 'F');
    MIGRATE_POINT();
    CHECK_EQ(p[0], 'F');
    CHECK_EQ(p[5], 0);
    CHECK_ERRNO(mprotect((void*)(uintptr_t)p, 4096, PROT_WRITE), EACCES);
    test_done();
}
