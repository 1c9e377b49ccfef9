// /proc/self/limits and oom_score_adj show and take what the program set.
#include "pmi_test.h"
int main(void) {
    struct rlimit old, limit;
    CHECK_SYS(getrlimit(RLIMIT_NOFILE, &old));
    limit = old;
    limit.rlim_cur = 777;
    CHECK_SYS(setrlimit(RLIMIT_NOFILE, &limit));
    MIGRATE_POINT();
    char text[8192];
    slurp("/proc/self/limits", text, sizeof text);
    char* line = strstr(text, "Max open files");
    CHECK(line != NULL);
    CHECK_EQ(strtol(line + 14, NULL, 10), 777);
    int fd = (int)CHECK_SYS(open("/proc/self/oom_score_adj", O_RDWR));
    write_all(fd, "500", 3);
    MIGRATE_POINT();
    slurp("/proc/self/oom_score_adj", text, sizeof text);
    CHECK_STR(text, "500\n");
    slurp("/proc/self/wchan", text, sizeof text);
    CHECK(strlen(text) < 200);
    test_done();
}
