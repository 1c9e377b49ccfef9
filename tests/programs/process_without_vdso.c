// A program that has unmapped its vDSO (as Valgrind does), or was started by a kernel that gives none, works and moves all the same.
#include "pmi_test.h"

// A kernel may have sealed it (CONFIG_MSEAL_SYSTEM_MAPPINGS).
static void unmap_vdso(void) {
    struct {
        unsigned long start, end;
    } parts[8];
    int count = 0;
    char line[512];
    FILE* maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        if ((strstr(line, "[vdso]") != NULL || strstr(line, "[vvar") != NULL) && count < 8) {
            CHECK_EQ(sscanf(line, "%lx-%lx", &parts[count].start, &parts[count].end), 2);
            count++;
        }
    fclose(maps);
    for (int i = 0; i < count; i++)
        if (munmap((void*)parts[i].start, parts[i].end - parts[i].start) != 0) CHECK_EQ(errno, EPERM);
}

int main(void) {
    char* memory = CHECK_MMAP(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct timespec before, now, nap = {0, 20000000};
    unmap_vdso();
    CHECK_SYS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before));
    for (int i = 0; i < 10; i++) {
        memset(memory, i, 65536);
        MIGRATE_POINT();
        for (int k = 0; k < 65536; k += 999) CHECK_EQ(memory[k], i);
        CHECK_SYS(syscall(SYS_nanosleep, &nap, NULL));
        CHECK_SYS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now));
        CHECK(now.tv_sec > before.tv_sec || (now.tv_sec == before.tv_sec && now.tv_nsec > before.tv_nsec));
        before = now;
    }
    test_done();
}
