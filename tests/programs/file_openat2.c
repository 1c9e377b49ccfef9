// openat2 with RESOLVE_BENEATH, and name_to_handle_at's mount id.
#include "pmi_test.h"
#include <linux/openat2.h>
int main(void) {
    enter_scratch();
    CHECK_SYS(mkdir("jail", 0700));
    CHECK_SYS(close((int)CHECK_SYS(open("jail/inside", O_CREAT | O_WRONLY, 0600))));
    CHECK_SYS(close((int)CHECK_SYS(open("outside", O_CREAT | O_WRONLY, 0600))));
    CHECK_SYS(symlink("../outside", "jail/escape"));
    int dir = (int)CHECK_SYS(open("jail", O_PATH | O_DIRECTORY));
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    MIGRATE_POINT();
    long fd = syscall(SYS_openat2, dir, "inside", &how, sizeof how);
    if (fd == -1 && errno == ENOSYS) test_skip("no openat2");
    CHECK_SYS(fd);
    CHECK_ERRNO(syscall(SYS_openat2, dir, "escape", &how, sizeof how), EXDEV);
    MIGRATE_POINT();
    how.resolve = RESOLVE_NO_SYMLINKS;
    CHECK_ERRNO(syscall(SYS_openat2, dir, "escape", &how, sizeof how), ELOOP);
    how.resolve = 0;
    CHECK_SYS(syscall(SYS_openat2, dir, "escape", &how, sizeof how));
    CHECK_ERRNO(syscall(SYS_openat2, dir, "inside", &how, 3), EINVAL);
    test_done();
}
