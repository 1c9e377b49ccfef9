// chmod, fchmodat, access and faccessat.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    CHECK_SYS(close((int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600))));
    for (mode_t mode = 0; mode <= 0777; mode += 073) {
        CHECK_SYS(chmod("file", mode));
        if (mode % 0365 == 0) MIGRATE_POINT();
        struct stat st;
        CHECK_SYS(stat("file", &st));
        CHECK_EQ(st.st_mode & 07777, mode);
    }
    CHECK_SYS(fchmodat(AT_FDCWD, "file", 0400, 0));
    MIGRATE_POINT();
    CHECK_SYS(access("file", R_OK));
    if (geteuid() != 0) CHECK_ERRNO(access("file", W_OK), EACCES);
    CHECK_ERRNO(access("file", X_OK), EACCES);
    CHECK_ERRNO(faccessat(AT_FDCWD, "missing", F_OK, AT_EACCESS), ENOENT);
    CHECK_SYS(chmod("file", 0500));
    MIGRATE_POINT();
    CHECK_SYS(faccessat(AT_FDCWD, "file", X_OK, AT_EACCESS));
    test_done();
}
