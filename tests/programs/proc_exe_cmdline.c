// /proc/self/exe, cmdline, environ, cwd, root, comm and auxv are those of the program, by /proc/PID too.
#include "pmi_test.h"
#include <elf.h>
#include <sys/auxv.h>
int main(int argc, char** argv) {
    if (argc == 1) {
        CHECK_SYS(setenv("PMI_TEST_MARK", "environ is here", 1));
        CHECK_SYS(execl("/proc/self/exe", argv[0], "second", "third one", (char*)NULL));
    }
    char first[PATH_MAX] = {0}, now[PATH_MAX], cwd[PATH_MAX], path[64];
    CHECK_SYS(readlink("/proc/self/exe", first, sizeof first - 1));
    struct stat a, b;
    CHECK_SYS(stat("/proc/self/exe", &a));
    for (int round = 0; round < 3; round++) {
        if (round > 0) MIGRATE_POINT();
        const char* base = round == 2 ? "/proc/thread-self" : "/proc/self";
        if (round == 2) snprintf(path, sizeof path, "/proc/%d", getpid()), base = path;
        char name[128];
        static char text[65536];
        snprintf(name, sizeof name, "%s/exe", base);
        memset(now, 0, sizeof now);
        CHECK_SYS(readlink(name, now, sizeof now - 1));
        CHECK_STR(now, first);
        CHECK_SYS(stat(name, &b));
        CHECK_EQ(a.st_ino, b.st_ino);
        snprintf(name, sizeof name, "%s/cmdline", base);
        size_t length = slurp(name, text, sizeof text);
        size_t start = strlen(argv[0]) + 1;
        CHECK_EQ(length, start + 7 + 10);
        CHECK(memcmp(text + start, "second\0third one", 17) == 0);
        snprintf(name, sizeof name, "%s/environ", base);
        length = slurp(name, text, sizeof text);
        CHECK(memmem(text, length, "PMI_TEST_MARK=environ is here", 30) != NULL);
        snprintf(name, sizeof name, "%s/cwd", base);
        memset(now, 0, sizeof now);
        CHECK_SYS(readlink(name, now, sizeof now - 1));
        CHECK(getcwd(cwd, sizeof cwd) != NULL);
        CHECK_STR(now, cwd);
        snprintf(name, sizeof name, "%s/auxv", base);
        length = slurp(name, text, sizeof text);
        bool found = false;
        for (Elf64_auxv_t* entry = (void*)text; (char*)entry < text + length; entry++)
            if (entry->a_type == AT_PAGESZ) found = entry->a_un.a_val == getauxval(AT_PAGESZ);
        CHECK(found);
    }
    test_done();
}
