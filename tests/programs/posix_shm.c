// shm_open in one process: contents by map and by descriptor agree over points.
#include "pmi_test.h"
int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/pmi-test-%d-%lld", getpid(), (long long)now_ns());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1 && (errno == ENOENT || errno == EACCES || errno == ENOSYS)) test_skip("no /dev/shm");
    CHECK_SYS(fd);
    CHECK_SYS(shm_unlink(name));
    CHECK_SYS(ftruncate(fd, 100000));
    char* p = CHECK_MMAP(mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    for (int i = 0; i < 100000; i++) p[i] = (char)(i % 101);
    MIGRATE_POINT();
    char block[5000];
    CHECK_EQ(pread(fd, block, sizeof block, 50000), (long)sizeof block);
    for (int i = 0; i < 5000; i++) CHECK_EQ(block[i], (50000 + i) % 101);
    memset(block, 'w', sizeof block);
    CHECK_EQ(pwrite(fd, block, sizeof block, 0), (long)sizeof block);
    CHECK_EQ(p[4999], 'w');
    MIGRATE_POINT();
    CHECK_EQ(p[4999], 'w');
    CHECK_EQ(p[5000], 5000 % 101);
    test_done();
}
