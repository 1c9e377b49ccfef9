// personality: ADDR_NO_RANDOMIZE stays set and goes to children.
#include "pmi_test.h"
#include <sys/personality.h>
int main(void) {
    long before = CHECK_SYS(personality(0xffffffff));
    CHECK_EQ(personality((unsigned long)before | ADDR_NO_RANDOMIZE), before);
    MIGRATE_POINT();
    CHECK_EQ(personality(0xffffffff), before | ADDR_NO_RANDOMIZE);
    pid_t child = fork();
    if (child == 0) {
        MIGRATE_POINT();
        _exit(personality(0xffffffff) == (before | ADDR_NO_RANDOMIZE) ? 0 : 1);
    }
    CHECK_EXITED(child, 0);
    test_done();
}
