// exec of oneself: arguments and environment arrive, CLOEXEC closes, PID and position stay, CPU state starts
// anew.
#include "pmi_test.h"
int main(int argc, char** argv) {
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        CHECK_EQ(argc, 5);
        CHECK_STR(argv[2], "");
        CHECK_STR(argv[3], "with space\n");
        CHECK_EQ(atoi(argv[4]), getpid());
        CHECK_STR(getenv("PMI_TEST_VALUE"), "kept=yes");
        CHECK(getenv("PMI_TEST_GONE") == NULL);
        CHECK_EQ(lseek(100, 0, SEEK_CUR), 4);
        CHECK_ERRNO(fcntl(101, F_GETFD), EBADF);
        MIGRATE_POINT();
        CHECK_EQ(lseek(100, 0, SEEK_CUR), 4);
        test_done();
    }
    FILE* file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(dup2(fileno(file), 100), 100);
    CHECK_EQ(dup3(100, 101, O_CLOEXEC), 101);
    write_all(100, "data", 4);
    CHECK_SYS(setenv("PMI_TEST_VALUE", "kept=yes", 1));
    CHECK_SYS(unsetenv("PMI_TEST_GONE"));
    char pid[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    MIGRATE_POINT();
    char* arguments[] = {argv[0], (char*)"again", (char*)"", (char*)"with space\n", pid, NULL};
    CHECK_SYS(execv("/proc/self/exe", arguments));
}
