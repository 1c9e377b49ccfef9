// /proc/self/fd and fdinfo list exactly the open descriptors, with targets, positions and flags.
#include "pmi_test.h"
static int count_fds(void) {
    DIR* dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    int count = 0;
    for (struct dirent* entry; (entry = readdir(dir));) count += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir);
    closedir(dir);
    return count;
}
int main(void) {
    const char* scratch = enter_scratch();
    int before = count_fds();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), p[2];
    CHECK_SYS(pipe(p));
    write_all(fd, "12345", 5);
    MIGRATE_POINT();
    CHECK_EQ(count_fds(), before + 3);
    char path[64], target[PATH_MAX] = {0}, expected[PATH_MAX + 8], text[1024];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_SYS(readlink(path, target, sizeof target - 1));
    snprintf(expected, sizeof expected, "%s/file", scratch);
    CHECK_STR(target, expected);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    MIGRATE_POINT();
    slurp(path, text, sizeof text);
    long position = -1;
    unsigned flags = 0;
    CHECK_EQ(sscanf(text, "pos: %ld flags: %o", &position, &flags), 2);
    CHECK_EQ(position, 5);
    CHECK(flags & O_APPEND && flags & O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), p[0]);
    memset(target, 0, sizeof target);
    CHECK_SYS(readlink(path, target, sizeof target - 1));
    CHECK(strncmp(target, "pipe:[", 6) == 0);
    CHECK_SYS(close(p[0]));
    CHECK_SYS(close(p[1]));
    CHECK_SYS(close(fd));
    MIGRATE_POINT();
    CHECK_EQ(count_fds(), before);
    test_done();
}
