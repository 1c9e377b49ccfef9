// A file that one child mapped and stored in is mapped by the next: it sees what the file is now, and its stores arrive.
#include "pmi_test.h"
static void store_and_read(int round) {
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_SYS(ftruncate(fd, 4096));
    CHECK_SYS(pwrite(fd, &round, sizeof round, 2048));
    char* map = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    CHECK_EQ(map[0], 0);  // truncated, whatever the last one stored
    int number;
    memcpy(&number, map + 2048, sizeof number);
    CHECK_EQ(number, round);
    strcpy(map, "the same every time");
    char got[64];
    CHECK_EQ(pread(fd, got, sizeof got, 0), sizeof got);
    CHECK_STR(got, map);
}
static void read_only(void) {  // a private mapping of what others stored in
    int fd = (int)CHECK_SYS(open("file", O_RDWR));
    CHECK_SYS(pwrite(fd, "The", 3, 0));
    char* map = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK_STR(map, "The same every time");
}
int main(void) {
    enter_scratch();
    for (int round = 1; round <= 6; round++) {
        MIGRATE_POINT();
        for (int k = 0; k < 2; k++) {
            pid_t child = (pid_t)CHECK_SYS(fork());
            if (child == 0) {
                store_and_read(round);
                _exit(0);
            }
            CHECK_EXITED(child, 0);
            child = (pid_t)CHECK_SYS(fork());
            if (child == 0) {
                read_only();
                _exit(0);
            }
            CHECK_EXITED(child, 0);
        }
    }
    test_done();
}
