// exec with a megabyte of arguments, by execveat: relative to a directory, of a descriptor alone, and not through a link.
#include "pmi_test.h"
enum { STRINGS = 900, LENGTH = 1200 };
static char* text_of(int i) {
    char* text = malloc(LENGTH + 1);
    CHECK(text != NULL);
    memset(text, 'a' + i % 26, LENGTH);
    text[LENGTH - i % 7] = 0;
    return text;
}
static void check(int argc, char** argv) {
    CHECK_EQ(argc, STRINGS + 2);
    for (int i = 0; i < STRINGS; i++) CHECK_STR(argv[i + 2], text_of(i));
}
int main(int argc, char** argv) {
    if (argc > 2) {
        check(argc, argv);
        MIGRATE_POINT();
        check(argc, argv);
        exit(argv[1][0] - '0');
    }
    char self[PATH_MAX];
    ssize_t length = CHECK_SYS(readlink("/proc/self/exe", self, sizeof self - 1));
    self[length] = 0;
    const char* base = strrchr(self, '/') + 1;
    static char* arguments[STRINGS + 3];
    for (int i = 0; i < STRINGS; i++) arguments[i + 2] = text_of(i);
    arguments[0] = self;
    enter_scratch();
    CHECK_SYS(symlink(self, "link"));
    for (int way = 0; way < 3; way++) {
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) {
            char number[] = {(char)('1' + way), 0};
            arguments[1] = number;
            MIGRATE_POINT();
            if (way == 0) {
                *(strrchr(self, '/')) = 0;
                int dir = (int)CHECK_SYS(open(self, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                syscall(SYS_execveat, dir, base, arguments, environ, 0);
            } else if (way == 1) {
                int fd = (int)CHECK_SYS(open(self, O_RDONLY | O_CLOEXEC));
                syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH);
            } else {
                CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "link", arguments, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
                CHECK_ERRNO(syscall(SYS_execveat, -5, "link", arguments, environ, 0), EBADF);
                syscall(SYS_execveat, AT_FDCWD, "link", arguments, environ, 0);
            }
            _exit(100);
        }
        CHECK_EXITED(child, way + 1);
    }
    test_done();
}
