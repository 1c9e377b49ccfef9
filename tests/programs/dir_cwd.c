// The working directory: chdir, fchdir, getcwd, relative names, a directory that was renamed or removed.
#include "pmi_test.h"
int main(void) {
    const char* top = enter_scratch();
    char cwd[PATH_MAX], expected[PATH_MAX + 64];
    CHECK_SYS(mkdir("one", 0700));
    CHECK_SYS(mkdir("one/two", 0700));
    int home = (int)CHECK_SYS(open(".", O_RDONLY | O_DIRECTORY));
    CHECK_SYS(chdir("one/two"));
    MIGRATE_POINT();
    snprintf(expected, sizeof expected, "%s/one/two", top);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_STR(cwd, expected);
    CHECK_SYS(rename("../../one", "../../uno"));
    MIGRATE_POINT();
    snprintf(expected, sizeof expected, "%s/uno/two", top);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_STR(cwd, expected);
    CHECK_SYS(close((int)CHECK_SYS(open("here", O_CREAT | O_WRONLY, 0600))));
    CHECK_SYS(fchdir(home));
    MIGRATE_POINT();
    CHECK_SYS(access("uno/two/here", F_OK));
    CHECK_ERRNO(syscall(SYS_getcwd, cwd, 2), ERANGE);
    CHECK_SYS(mkdir("dead", 0700));
    CHECK_SYS(chdir("dead"));
    CHECK_SYS(rmdir("../dead"));
    MIGRATE_POINT();
    CHECK(getcwd(cwd, sizeof cwd) == NULL);
    CHECK_EQ(errno, ENOENT);
    CHECK_SYS(chdir(top));
    test_done();
}
