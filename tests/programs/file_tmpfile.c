// O_TMPFILE: a file without a name keeps its contents and can be given one later.
#include "pmi_test.h"
int main(void) {
    const char* dir = enter_scratch();
    int fd = open(dir, O_RDWR | O_TMPFILE, 0640);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) test_skip("no O_TMPFILE on this filesystem");
    CHECK_SYS(fd);
    write_all(fd, "unnamed", 7);
    MIGRATE_POINT();
    struct stat st;
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_size, 7);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_SYS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    MIGRATE_POINT();
    write_all(fd, "!", 1);
    char text[16];
    CHECK_EQ(slurp("named", text, sizeof text), 8);
    CHECK_STR(text, "unnamed!");
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 1);
    test_done();
}
