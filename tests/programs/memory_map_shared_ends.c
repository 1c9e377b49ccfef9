// A process that ends leaves in the file what it has stored in its map: by exit, by exec, killed, by a fault.
#include "pmi_test.h"
enum { PAGE = 4096, WAYS = 5 };
static void child(int way, int ready) {
    char name[16];
    snprintf(name, sizeof name, "file%d", way);
    int fd = (int)CHECK_SYS(open(name, O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    char* p = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    CHECK_SYS(close(fd));
    strcpy(p, "here");
    MIGRATE_POINT();
    strcpy(p + PAGE, "last words");
    if (way == 0) _exit(3);
    if (way == 1) execl("/bin/sh", "sh", "-c", "exit 3", NULL);
    if (way == 2) *(volatile int*)16 = 0;
    write_all(ready, "x", 1);
    if (way == 3) pause();
    // Stored after the last system call.
    strcpy(p, "gone");
    for (;;) {
    }
}
int main(void) {
    enter_scratch();
    for (int way = 0; way < WAYS; way++) {
        int ready[2];
        CHECK_SYS(pipe(ready));
        pid_t pid = (pid_t)CHECK_SYS(fork());
        if (pid == 0) child(way, ready[1]);
        CHECK_SYS(close(ready[1]));
        char byte;
        if (way >= 3) {
            read_all(ready[0], &byte, 1);
            if (way == 4) sleep_ms(100);
            CHECK_SYS(kill(pid, SIGKILL));
            CHECK_KILLED(pid, SIGKILL);
        } else if (way == 2) {
            CHECK_KILLED(pid, SIGSEGV);
        } else {
            CHECK_EXITED(pid, 3);
        }
        CHECK_SYS(close(ready[0]));
        char name[16], got[16] = {0};
        snprintf(name, sizeof name, "file%d", way);
        int fd = (int)CHECK_SYS(open(name, O_RDONLY));
        CHECK_EQ(pread(fd, got, sizeof got, PAGE), sizeof got);
        CHECK_STR(got, "last words");
        CHECK_EQ(pread(fd, got, sizeof got, 0), sizeof got);
        CHECK_STR(got, way == 4 ? "gone" : "here");
        CHECK_SYS(close(fd));
    }
    test_done();
}
