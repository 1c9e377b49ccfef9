// Another process reads and writes the file with system calls while this one has it mapped: both see each other's
// changes as soon as they have told each other.
#include "pmi_test.h"
enum { PAGE = 4096, ROUNDS = 4 };
int main(void) {
    enter_scratch();
    int to[2], from[2];
    CHECK_SYS(pipe(to));
    CHECK_SYS(pipe(from));
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(ftruncate(fd, 2 * PAGE));
    pid_t pid = (pid_t)CHECK_SYS(fork());
    if (pid == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            char byte, got[16];
            read_all(to[0], &byte, 1);
            CHECK_EQ(pread(fd, got, 4, i * 100), 4);
            CHECK_EQ(got[0], 'a' + i);
            CHECK_EQ(pwrite(fd, "reply", 5, i * 100 + 10), 5);
            write_all(from[1], "x", 1);
        }
        _exit(0);
    }
    pid_t looker = (pid_t)CHECK_SYS(fork());  // before the map is there: nobody else has it
    if (looker == 0) {
        char got = 0;
        while (got != 'Q') {
            CHECK_EQ(pread(fd, &got, 1, PAGE), 1);
            sleep_ms(5);
        }
        CHECK_EQ(pwrite(fd, "R", 1, PAGE + 1), 1);
        _exit(0);
    }
    volatile char* p = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    for (int i = 0; i < ROUNDS; i++) {
        char byte;
        MIGRATE_POINT();
        p[i * 100] = (char)('a' + i);
        write_all(to[1], "x", 1);
        p[i * 100 + 20] = 'z';  // meanwhile, in the same page
        read_all(from[0], &byte, 1);
        CHECK(memcmp((const char*)(uintptr_t)p + i * 100 + 10, "reply", 5) == 0);
        CHECK_EQ(p[i * 100 + 20], 'z');
    }
    CHECK_EXITED(pid, 0);
    // Without a word: whoever looks sees it soon.
    MIGRATE_POINT();
    p[PAGE] = 'Q';
    while (p[PAGE + 1] != 'R') {
    }
    CHECK_EXITED(looker, 0);
    test_done();
}
