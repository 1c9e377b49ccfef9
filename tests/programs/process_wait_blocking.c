// A thread blocked in waitpid goes on over points until its child ends.
#include "pmi_test.h"
int main(void) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        sleep_ms(500);
        MIGRATE_POINT();
        _exit(88);
    }
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 100);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 88);
    later_point_join(&later);
    test_done();
}
