// mkdir, mkdirat, rmdir, unlinkat and their errors.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    CHECK_SYS(mkdir("a", 0755));
    CHECK_ERRNO(mkdir("a", 0755), EEXIST);
    MIGRATE_POINT();
    int a = (int)CHECK_SYS(open("a", O_RDONLY | O_DIRECTORY));
    CHECK_SYS(mkdirat(a, "b", 0700));
    CHECK_ERRNO(rmdir("a"), ENOTEMPTY);
    MIGRATE_POINT();
    struct stat st;
    CHECK_SYS(fstatat(a, "b", &st, 0));
    CHECK(S_ISDIR(st.st_mode));
    CHECK_SYS(unlinkat(a, "b", AT_REMOVEDIR));
    CHECK_ERRNO(fstatat(a, "b", &st, 0), ENOENT);
    MIGRATE_POINT();
    CHECK_SYS(rmdir("a"));
    CHECK_ERRNO(mkdirat(a, "c", 0700), ENOENT);  // the directory is open but gone
    CHECK_ERRNO(rmdir("missing"), ENOENT);
    CHECK_ERRNO(rmdir("."), EINVAL);
    test_done();
}
