// fork: child and parent have separate memory, shared open files, right PIDs and exit codes.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    int value = 1;
    pid_t parent = getpid();
    for (int code = 0; code < 256; code += 51) {
        MIGRATE_POINT();
        pid_t child = fork();
        CHECK_SYS(child);
        if (child == 0) {
            CHECK_EQ(getppid(), parent);
            CHECK(getpid() != parent);
            value = 99;
            write_all(fd, "c", 1);
            if (code % 2) MIGRATE_POINT();
            CHECK_EQ(value, 99);
            _exit(code);
        }
        CHECK_EXITED(child, code);
        CHECK_EQ(value, 1);
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), code / 51 + 1);
    }
    test_done();
}
