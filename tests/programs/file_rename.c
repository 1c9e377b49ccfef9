// rename, renameat2 with RENAME_NOREPLACE and RENAME_EXCHANGE.
#include "pmi_test.h"
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif
static void put(const char* path, const char* text) {
    int fd = (int)CHECK_SYS(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    write_all(fd, text, strlen(text));
    CHECK_SYS(close(fd));
}
static void expect(const char* path, const char* text) {
    char buffer[64];
    slurp(path, buffer, sizeof buffer);
    CHECK_STR(buffer, text);
}
int main(void) {
    enter_scratch();
    put("a", "1");
    put("b", "2");
    CHECK_SYS(rename("a", "c"));
    MIGRATE_POINT();
    CHECK_ERRNO(access("a", F_OK), ENOENT);
    expect("c", "1");
    CHECK_ERRNO(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
    if (renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE) == 0) {
        MIGRATE_POINT();
        expect("c", "2");
        expect("b", "1");
    } else {
        CHECK_EQ(errno, EINVAL);
    }
    int open_b = (int)CHECK_SYS(open("b", O_RDONLY));
    CHECK_SYS(rename("c", "b"));
    MIGRATE_POINT();
    char byte;
    read_all(open_b, &byte, 1);  // the replaced file is still the open one
    CHECK(byte == '1' || byte == '2');
    CHECK_ERRNO(rename("c", "d"), ENOENT);
    CHECK_SYS(mkdir("dir", 0700));
    CHECK_ERRNO(rename("b", "dir"), EISDIR);
    CHECK_ERRNO(rename("dir", "dir/inside"), EINVAL);
    test_done();
}
