// utimensat: exact nanoseconds, UTIME_OMIT, UTIME_NOW close to CLOCK_REALTIME.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    struct timespec times[2] = {{1000000001, 123456789}, {1000000002, 987654321}};
    CHECK_SYS(futimens(fd, times));
    MIGRATE_POINT();
    struct stat st;
    CHECK_SYS(stat("file", &st));
    CHECK_EQ(st.st_atim.tv_sec, 1000000001);
    CHECK_EQ(st.st_atim.tv_nsec, 123456789);
    CHECK_EQ(st.st_mtim.tv_nsec, 987654321);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    struct timespec now;
    MIGRATE_POINT();
    CHECK_SYS(clock_gettime(CLOCK_REALTIME, &now));
    CHECK_SYS(utimensat(AT_FDCWD, "file", times, 0));
    CHECK_SYS(stat("file", &st));
    CHECK_EQ(st.st_atim.tv_sec, 1000000001);
    CHECK(st.st_mtim.tv_sec >= now.tv_sec - 1 && st.st_mtim.tv_sec <= now.tv_sec + 2);
    CHECK_SYS(symlink("file", "link"));
    times[0] = times[1] = (struct timespec){77, 5};
    CHECK_SYS(utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW));
    MIGRATE_POINT();
    CHECK_SYS(lstat("link", &st));
    CHECK_EQ(st.st_mtim.tv_sec, 77);
    CHECK_EQ(st.st_mtim.tv_nsec, 5);
    test_done();
}
