// /proc/self/maps shows one's own maps as they are: just made, changed, removed; stack, heap, vdso.
#include "pmi_test.h"
static bool find(const void* address, char* permissions, char* name) {
    FILE* file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    char line[PATH_MAX + 200];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        unsigned long low, high;
        name[0] = 0;
        CHECK(sscanf(line, "%lx-%lx %7s %*s %*s %*s %4000[^\n]", &low, &high, permissions, name) >= 3);
        found = (uintptr_t)address >= low && (uintptr_t)address < high;
    }
    fclose(file);
    return found;
}
int main(void) {
    char permissions[8], name[PATH_MAX];
    char* p = CHECK_MMAP(mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_SYS(mprotect(p + 4096, 4096, PROT_NONE));
    MIGRATE_POINT();
    CHECK(find(p, permissions, name));
    CHECK_STR(permissions, "rw-p");
    CHECK(find(p + 4096, permissions, name));
    CHECK_STR(permissions, "---p");
    char* q = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));  // after the point
    CHECK(find(q, permissions, name));
    CHECK_STR(permissions, "r-xp");
    int local;
    CHECK(find(&local, permissions, name));
    CHECK_STR(name, "[stack]");
    void* heap = sbrk(4096);
    CHECK(heap != (void*)-1);
    MIGRATE_POINT();
    CHECK(find(heap, permissions, name));
    CHECK_STR(name, "[heap]");
    char exe[PATH_MAX] = {0};
    CHECK_SYS(readlink("/proc/self/exe", exe, sizeof exe - 1));
    CHECK(find((void*)(uintptr_t)find, permissions, name));
    CHECK_STR(name, exe);
    CHECK_STR(permissions, "r-xp");
    CHECK_SYS(munmap(p, 3 * 4096));
    MIGRATE_POINT();
    CHECK(!find(p, permissions, name) || strcmp(permissions, "r-xp") != 0);
    test_done();
}
