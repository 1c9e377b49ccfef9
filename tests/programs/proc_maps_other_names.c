// /proc/self/maps by other ways than its plain name shows what is mapped now.
#include "pmi_test.h"

enum { MAPPED = 64 << 20, WAYS = 8 };
static _Atomic pid_t other_thread;

static void* idle(void* unused) {
    other_thread = gettid();
    for (;;) pause();
    return unused;
}

static int open_by(int way, int root, int proc, int self) {
    char name[64];
    switch (way) {
        case 0: return openat(proc, "self/maps", O_RDONLY);
        case 1: return openat(self, "maps", O_RDONLY);
        case 2: return open("/proc//self/maps", O_RDONLY);
        case 3: return open("/proc/./self/maps", O_RDONLY);
        case 4: return open("//proc/self/maps", O_RDONLY);
        case 5: return openat(root, "proc/self/maps", O_RDONLY);
        case 6: return open("/proc/self/../self/maps", O_RDONLY);
        default: snprintf(name, sizeof name, "/proc/%d/maps", other_thread); return open(name, O_RDONLY);
    }
}

static bool shows(int maps, const void* mapped) {
    FILE* file = fdopen(maps, "r");
    CHECK(file != NULL);
    char line[1024];
    bool found = false;
    while (fgets(line, sizeof line, file) != NULL) {
        uintptr_t start, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) != 2) continue;
        found |= start <= (uintptr_t)mapped && end >= (uintptr_t)mapped + MAPPED;
    }
    fclose(file);
    return found;
}

int main(void) {
    int root = CHECK_SYS(open("/", O_RDONLY | O_DIRECTORY)), proc = CHECK_SYS(open("/proc", O_PATH | O_DIRECTORY));
    int self = CHECK_SYS(open("/proc/self", O_RDONLY | O_DIRECTORY));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, idle, NULL));
    while (other_thread == 0) sched_yield();
    for (int way = 0; way < WAYS; way++) {
        MIGRATE_POINT();
        void* mapped = CHECK_MMAP(mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        int maps = (int)CHECK_SYS(open_by(way, root, proc, self));
        if (!shows(maps, mapped)) FAIL("way %d does not show it", way);
    }
    test_done();
}
