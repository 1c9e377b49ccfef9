// exec of a script: the interpreter gets its argument, the script's name and the rest; fexecve of a
// descriptor.
#include "pmi_test.h"
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("script", O_WRONLY | O_CREAT, 0700));
    const char* text = "#!/bin/sh -e\n[ \"$0\" = ./script ] && [ \"$1\" = one ] && [ $# = 2 ] || exit 9\nexit 33\n";
    write_all(fd, text, strlen(text));
    CHECK_SYS(close(fd));
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        execl("./script", "ignored", "one", "two", (char*)NULL);
        _exit(errno == EACCES ? 33 : 120);  // a scratch directory without exec
    }
    CHECK_EXITED(child, 33);
    child = fork();
    if (child == 0) {
        int shell = (int)CHECK_SYS(open("/bin/sh", O_RDONLY | O_CLOEXEC));
        MIGRATE_POINT();
        char* arguments[] = {(char*)"sh", (char*)"-c", (char*)"exit 21", NULL};
        fexecve(shell, arguments, environ);
        _exit(120);
    }
    CHECK_EXITED(child, 21);
    test_done();
}
