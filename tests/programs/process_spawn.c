// posix_spawn with file actions and attributes, posix_spawnp, system and popen.
#include "pmi_test.h"
#include <spawn.h>
int main(void) {
    enter_scratch();
    int p[2];
    CHECK_SYS(pipe(p));
    posix_spawn_file_actions_t actions;
    CHECK_ZERO(posix_spawn_file_actions_init(&actions));
    CHECK_ZERO(posix_spawn_file_actions_adddup2(&actions, p[1], 1));
    CHECK_ZERO(posix_spawn_file_actions_addclose(&actions, p[0]));
    posix_spawnattr_t attributes;
    CHECK_ZERO(posix_spawnattr_init(&attributes));
    CHECK_ZERO(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP));
    char* arguments[] = {(char*)"sh", (char*)"-c", (char*)"echo spawned; exit 4", NULL};
    pid_t child;
    MIGRATE_POINT();
    CHECK_ZERO(posix_spawnp(&child, "sh", &actions, &attributes, arguments, environ));
    char text[16] = {0};
    read_all(p[0], text, 8);
    CHECK_STR(text, "spawned\n");
    CHECK_EXITED(child, 4);
    CHECK_EQ(posix_spawn(&child, "missing/program", NULL, NULL, arguments, environ), ENOENT);
    MIGRATE_POINT();
    int status = system("exit 6");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 6);
    FILE* pipe_in = popen("echo one; echo two; exit 5", "r");
    CHECK(pipe_in != NULL);
    CHECK(fgets(text, sizeof text, pipe_in) != NULL);
    CHECK_STR(text, "one\n");
    MIGRATE_POINT();
    CHECK(fgets(text, sizeof text, pipe_in) != NULL);
    CHECK_STR(text, "two\n");
    status = pclose(pipe_in);
    CHECK_EQ(WEXITSTATUS(status), 5);
    test_done();
}
