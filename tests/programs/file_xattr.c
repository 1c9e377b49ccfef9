// Extended attributes of a file, by name and by descriptor.
#include "pmi_test.h"
#include <sys/xattr.h>
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    if (setxattr("file", "user.colour", "green", 5, XATTR_CREATE) == -1 && errno == EOPNOTSUPP)
        test_skip("no user xattrs on this filesystem");
    MIGRATE_POINT();
    char value[32] = {0};
    CHECK_EQ(getxattr("file", "user.colour", value, sizeof value), 5);
    CHECK_STR(value, "green");
    CHECK_ERRNO(setxattr("file", "user.colour", "x", 1, XATTR_CREATE), EEXIST);
    CHECK_SYS(fsetxattr(fd, "user.size", "\0\1\2", 3, 0));
    MIGRATE_POINT();
    CHECK_EQ(fgetxattr(fd, "user.size", NULL, 0), 3);
    CHECK_ERRNO(fgetxattr(fd, "user.size", value, 2), ERANGE);
    char list[256];
    long length = CHECK_SYS(flistxattr(fd, list, sizeof list));
    int found = 0;
    for (long at = 0; at < length; at += (long)strlen(list + at) + 1)
        found += strcmp(list + at, "user.colour") == 0 || strcmp(list + at, "user.size") == 0;
    CHECK_EQ(found, 2);
    CHECK_SYS(removexattr("file", "user.colour"));
    MIGRATE_POINT();
    CHECK_ERRNO(lgetxattr("file", "user.colour", value, sizeof value), ENODATA);
    test_done();
}
