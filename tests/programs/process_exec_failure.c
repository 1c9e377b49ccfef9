// A failing exec leaves the program as it was: ENOENT, EACCES, ENOEXEC, ELOOP, E2BIG, EFAULT.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    char* arguments[] = {(char*)"x", NULL};
    int fd = (int)CHECK_SYS(open("plain", O_WRONLY | O_CREAT, 0600));
    write_all(fd, "not a program", 13);
    CHECK_SYS(close(fd));
    CHECK_SYS(symlink("loop", "loop"));
    MIGRATE_POINT();
    CHECK_ERRNO(execv("missing", arguments), ENOENT);
    CHECK_ERRNO(execv("plain", arguments), EACCES);
    CHECK_SYS(chmod("plain", 0700));
    MIGRATE_POINT();
    CHECK_ERRNO(execv("plain", arguments), ENOEXEC);
    CHECK_ERRNO(execv("loop", arguments), ELOOP);
    CHECK_ERRNO(execv(".", arguments), EACCES);
    CHECK_ERRNO(syscall(SYS_execve, (char*)8, arguments, environ), EFAULT);
    char* big = malloc(1 << 18);
    memset(big, 'e', (1 << 18) - 1);
    big[(1 << 18) - 1] = 0;
    char* too_big[] = {(char*)"x", big, NULL};
    MIGRATE_POINT();
    CHECK_ERRNO(execv("/bin/true", too_big), E2BIG);
    test_done();
}
