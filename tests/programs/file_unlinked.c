// An open file that was unlinked goes on existing until it is closed.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("gone", O_RDWR | O_CREAT, 0600));
    write_all(fd, "still here", 10);
    CHECK_SYS(unlink("gone"));
    MIGRATE_POINT();
    CHECK_ERRNO(open("gone", O_RDONLY), ENOENT);
    char buffer[16] = {0};
    CHECK_EQ(pread(fd, buffer, 16, 0), 10);
    CHECK_STR(buffer, "still here");
    struct stat st;
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    char path[64], target[PATH_MAX] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    MIGRATE_POINT();
    CHECK_SYS(readlink(path, target, sizeof target - 1));
    CHECK(strstr(target, "gone (deleted)") != NULL);
    int again = (int)CHECK_SYS(open(path, O_RDONLY));
    read_all(again, buffer, 5);
    CHECK(memcmp(buffer, "still", 5) == 0);
    test_done();
}
