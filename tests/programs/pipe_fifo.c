// A named pipe: opening waits for the other side; O_NONBLOCK for writing with no reader is ENXIO.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    CHECK_SYS(mkfifo("fifo", 0600));
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    MIGRATE_POINT();
    pid_t child = fork();
    if (child == 0) {
        int fd = (int)CHECK_SYS(open("fifo", O_WRONLY));
        MIGRATE_POINT();
        write_all(fd, "through the fifo", 16);
        _exit(0);
    }
    int fd = (int)CHECK_SYS(open("fifo", O_RDONLY));
    char text[32] = {0};
    read_all(fd, text, 16);
    CHECK_STR(text, "through the fifo");
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    CHECK_EQ(read(fd, text, 1), 0);
    int writer = (int)CHECK_SYS(open("fifo", O_WRONLY | O_NONBLOCK));
    write_all(writer, "again", 5);
    MIGRATE_POINT();
    CHECK_EQ(read(fd, text, sizeof text), 5);
    test_done();
}
