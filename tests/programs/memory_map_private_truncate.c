// Pages of a private mapping that the program has written are gone when their file is cut off before them, whoever does that
// and however: behind the file's end there is SIGBUS, and when it has grown again there are zeros. What is punched out of the
// file leaves them.
#include "pmi_test.h"

#include <setjmp.h>
enum { PAGE = 4096 };
static sigjmp_buf after_fault;
static void on_sigbus(int number) { siglongjmp(after_fault, number); }
static bool faults(const volatile char* p) {
    if (sigsetjmp(after_fault, 1) != 0) return true;
    (void)*p;
    return false;
}

static char* map_and_write(int fd) {
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    strcpy(p, "first");
    strcpy(p + PAGE, "second");
    return p;
}

enum way { FTRUNCATE, TRUNCATE, OPEN, CREAT, OPENAT2, WAYS };
static void cut(enum way way, int fd, const char* name) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDWR | O_TRUNC, 0, 0};
    switch (way) {
        case FTRUNCATE: CHECK_SYS(ftruncate(fd, 0)); return;
        case TRUNCATE: CHECK_SYS(truncate(name, 0)); return;
        case OPEN: CHECK_SYS(close((int)CHECK_SYS(open(name, O_RDWR | O_TRUNC)))); return;
        case CREAT: CHECK_SYS(close((int)CHECK_SYS(creat(name, 0600)))); return;
        case OPENAT2: CHECK_SYS(close((int)CHECK_SYS(syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how)))); return;
        default: FAIL("no way");
    }
}

// It is cut off and grows again with no word in between.
static void check_own(enum way way) {
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    char* p = map_and_write(fd);
    MIGRATE_POINT();
    CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
    CHECK_STR(p + PAGE, "second");
    MIGRATE_POINT();
    CHECK_SYS(ftruncate(fd, PAGE));
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    CHECK_STR(p, "first");
    CHECK_EQ(p[PAGE], 0);
    strcpy(p + PAGE, "again");
    MIGRATE_POINT();
    CHECK_STR(p + PAGE, "again");
    CHECK_SYS(ftruncate(fd, PAGE));
    MIGRATE_POINT();
    CHECK(faults(p + PAGE));
    CHECK_STR(p, "first");
    MIGRATE_POINT();
    cut(way, fd, "file");
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[PAGE], 0);
    CHECK_SYS(munmap(p, 2 * PAGE));
    CHECK_SYS(close(fd));
}

// Another process does it.
static void check_others(void) {
    int fd = (int)CHECK_SYS(open("others", O_RDWR | O_CREAT, 0600)), ask[2], done[2];
    CHECK_SYS(pipe(ask));
    CHECK_SYS(pipe(done));
    pid_t pid = (pid_t)CHECK_SYS(fork());
    if (pid == 0) {
        off_t size;
        while (read(ask[0], &size, sizeof size) == sizeof size) {
            CHECK_SYS(ftruncate(fd, size));
            write_all(done[1], "x", 1);
            if (size == 2 * PAGE) _exit(0);
        }
    }
    char* p = map_and_write(fd);
    char byte;
    MIGRATE_POINT();
    for (off_t size = PAGE; size <= 2 * PAGE; size += PAGE) {
        write_all(ask[1], &size, sizeof size);
        read_all(done[0], &byte, 1);
        MIGRATE_POINT();
        CHECK_STR(p, "first");
        if (size == PAGE)
            CHECK(faults(p + PAGE));
        else
            CHECK_EQ(p[PAGE], 0);
    }
    CHECK_EXITED(pid, 0);
}

int main(void) {
    enter_scratch();
    CHECK(signal(SIGBUS, on_sigbus) != SIG_ERR);
    for (enum way way = FTRUNCATE; way < WAYS; way++) check_own(way);
    check_others();
    test_done();
}
