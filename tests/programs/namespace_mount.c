// A mount namespace of one's own with a tmpfs in it stays in force.
#include "pmi_test.h"
#include <sys/mount.h>
int main(void) {
    const char* scratch = enter_scratch();
    uid_t uid = getuid();
    gid_t own_gid = getgid();
    if (unshare(CLONE_NEWNS) == -1) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1) test_skip("no mount namespaces");
        char map[64];
        int length = snprintf(map, sizeof map, "0 %u 1", uid), fd = (int)CHECK_SYS(open("/proc/self/uid_map", O_WRONLY));
        write_all(fd, map, (size_t)length);
        CHECK_SYS(close(fd));
        // A file can be made only by a group that is mapped, too.
        fd = open("/proc/self/setgroups", O_WRONLY);
        if (fd >= 0) write_all(fd, "deny", 4);
        fd = (int)CHECK_SYS(open("/proc/self/gid_map", O_WRONLY));
        length = snprintf(map, sizeof map, "0 %u 1", own_gid);
        write_all(fd, map, (size_t)length);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1) test_skip("mounts can't be made private");
    CHECK_SYS(mkdir("m", 0700));
    if (mount("pmi", "m", "tmpfs", 0, NULL) == -1) test_skip("no tmpfs");
    CHECK_SYS(close((int)CHECK_SYS(open("m/inside", O_WRONLY | O_CREAT, 0600))));
    char before[64] = {0}, after[64] = {0}, path[PATH_MAX + 16];
    CHECK_SYS(readlink("/proc/self/ns/mnt", before, sizeof before - 1));
    MIGRATE_POINT();
    CHECK_SYS(readlink("/proc/self/ns/mnt", after, sizeof after - 1));
    CHECK_STR(after, before);
    snprintf(path, sizeof path, "%s/m/inside", scratch);
    CHECK_SYS(access(path, F_OK));
    static char mounts[65536];
    slurp("/proc/self/mounts", mounts, sizeof mounts);
    CHECK(strstr(mounts, "/m tmpfs") != NULL);
    MIGRATE_POINT();
    CHECK_SYS(umount("m"));
    CHECK_ERRNO(access(path, F_OK), ENOENT);
    test_done();
}
