// Reading a directory of 500 entries over points: every entry exactly once; rewinding; seekdir.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    CHECK_SYS(mkdir("d", 0700));
    int dirfd = (int)CHECK_SYS(open("d", O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < 500; i++) {
        char name[80];
        snprintf(name, sizeof name, "entry-with-a-rather-long-name-%04d", i);
        CHECK_SYS(close((int)CHECK_SYS(openat(dirfd, name, O_WRONLY | O_CREAT, 0600))));
    }
    char buffer[1024];
    unsigned char seen[500] = {0};
    int total = 0, calls = 0;
    for (long got; (got = CHECK_SYS(syscall(SYS_getdents64, dirfd, buffer, sizeof buffer))) > 0; calls++) {
        for (long at = 0; at < got;) {
            struct dirent64* entry = (struct dirent64*)(buffer + at);
            if (entry->d_name[0] == 'e') {
                int i = atoi(entry->d_name + strlen("entry-with-a-rather-long-name-"));
                CHECK(i >= 0 && i < 500);
                CHECK_EQ(seen[i]++, 0);
                total++;
            }
            at += entry->d_reclen;
        }
        if (calls % 7 == 0) MIGRATE_POINT();
    }
    CHECK_EQ(total, 500);
    CHECK(calls > 5);
    DIR* dir = fdopendir(dirfd);
    CHECK(dir != NULL);
    rewinddir(dir);
    for (int i = 0; i < 100; i++) CHECK(readdir(dir) != NULL);
    long place = telldir(dir);
    char next[256];
    strcpy(next, readdir(dir)->d_name);
    MIGRATE_POINT();
    seekdir(dir, place);
    CHECK_STR(readdir(dir)->d_name, next);
    CHECK_EQ(lseek(dirfd, 0, SEEK_SET), 0);
    CHECK_ERRNO(syscall(SYS_getdents64, dirfd, buffer, 1), EINVAL);
    closedir(dir);
    test_done();
}
