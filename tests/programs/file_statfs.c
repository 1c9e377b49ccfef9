// statfs and fstatfs agree and name the same filesystem over points.
#include "pmi_test.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>
int main(void) {
    enter_scratch();
    struct statfs a, b;
    CHECK_SYS(statfs(".", &a));
    int fd = (int)CHECK_SYS(open(".", O_RDONLY));
    MIGRATE_POINT();
    CHECK_SYS(fstatfs(fd, &b));
    CHECK_EQ(a.f_type, b.f_type);
    CHECK_EQ(a.f_bsize, b.f_bsize);
    CHECK_EQ(a.f_blocks, b.f_blocks);
    CHECK(memcmp(&a.f_fsid, &b.f_fsid, sizeof a.f_fsid) == 0);
    MIGRATE_POINT();
    struct statfs proc;
    CHECK_SYS(statfs("/proc", &proc));
    CHECK_EQ(proc.f_type, 0x9fa0);
    test_done();
}
