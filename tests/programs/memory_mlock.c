// mlock: VmLck says so over points, MADV_DONTNEED is refused on it, munlock gives back.
#include "locked_memory.h"
int main(void) {
    char* p = CHECK_MMAP(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    long before = locked_kb();
    if (mlock(p, 65536) == -1 && (errno == EPERM || errno == ENOMEM)) test_skip("RLIMIT_MEMLOCK is too low");
    memset(p, 3, 65536);
    MIGRATE_POINT();
    CHECK_EQ(locked_kb(), before + 64);
    CHECK_ERRNO(madvise(p, 4096, MADV_DONTNEED), EINVAL);
    unsigned char resident[16];
    CHECK_SYS(mincore(p, 65536, resident));
    for (int i = 0; i < 16; i++) CHECK(resident[i] & 1);
    CHECK_SYS(munlock(p, 32768));
    MIGRATE_POINT();
    CHECK_EQ(locked_kb(), before + 32);
    for (int i = 0; i < 65536; i += 100) CHECK_EQ(p[i], 3);
    test_done();
}
