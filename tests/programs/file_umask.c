// The umask stays and acts on open, mkdir and mknod.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    umask(027);
    MIGRATE_POINT();
    struct stat st;
    CHECK_SYS(close((int)CHECK_SYS(open("f", O_CREAT | O_WRONLY, 0666))));
    CHECK_SYS(stat("f", &st));
    CHECK_EQ(st.st_mode & 0777, 0640);
    CHECK_SYS(mkdir("d", 0777));
    CHECK_SYS(stat("d", &st));
    CHECK_EQ(st.st_mode & 0777, 0750);
    MIGRATE_POINT();
    CHECK_EQ(umask(0), 027);
    CHECK_SYS(mkfifo("p", 0666));
    MIGRATE_POINT();
    CHECK_SYS(stat("p", &st));
    CHECK_EQ(st.st_mode, S_IFIFO | 0666);
    CHECK_EQ(umask(077), 0);
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        _exit(umask(0) == 077 ? 0 : 1);
    }
    CHECK_EXITED(child, 0);
    CHECK_EQ(umask(022), 077);
    test_done();
}
