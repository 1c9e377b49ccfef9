// memfd: contents, maps, seals and its name.
#include "pmi_test.h"
int main(void) {
    int fd = (int)CHECK_SYS(memfd_create("pmi-memfd", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK_SYS(ftruncate(fd, 65536));
    char* p = CHECK_MMAP(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    for (int i = 0; i < 65536; i++) p[i] = (char)(i % 113);
    MIGRATE_POINT();
    char block[1000], link[64], target[64] = {0};
    CHECK_EQ(pread(fd, block, sizeof block, 5000), (long)sizeof block);
    for (int i = 0; i < 1000; i++) CHECK_EQ(block[i], (5000 + i) % 113);
    CHECK_EQ(pwrite(fd, "Z", 1, 9), 1);
    CHECK_EQ(p[9], 'Z');
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    CHECK_SYS(readlink(link, target, sizeof target - 1));
    CHECK_STR(target, "/memfd:pmi-memfd (deleted)");
    CHECK_SYS(munmap(p, 65536));
    CHECK_SYS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
    MIGRATE_POINT();
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
    CHECK_ERRNO(write(fd, "x", 1), EPERM);
    CHECK_ERRNO(ftruncate(fd, 10), EPERM);
    const char* q = CHECK_MMAP(mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0));
    MIGRATE_POINT();
    CHECK_EQ(q[9], 'Z');
    CHECK_EQ(q[65535], 65535 % 113);
    test_done();
}
