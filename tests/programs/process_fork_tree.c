// A tree of 31 processes, five deep: each waits for its children and adds up.
#include "pmi_test.h"
static int grow(int depth) {
    if (depth == 0) return 1;
    if (depth == 2) MIGRATE_POINT();
    pid_t children[2];
    int p[2];
    CHECK_SYS(pipe(p));
    for (int i = 0; i < 2; i++) {
        children[i] = (pid_t)CHECK_SYS(fork());
        if (children[i] == 0) {
            int count = grow(depth - 1);
            write_all(p[1], &count, sizeof count);
            _exit(depth);
        }
    }
    if (depth == 3) MIGRATE_POINT();
    int sum = 1;
    for (int i = 0; i < 2; i++) {
        int count;
        read_all(p[0], &count, sizeof count);
        sum += count;
    }
    for (int i = 0; i < 2; i++) CHECK_EXITED(children[i], depth);
    CHECK_SYS(close(p[0]));
    CHECK_SYS(close(p[1]));
    return sum;
}
int main(void) {
    CHECK_EQ(grow(4), 31);
    MIGRATE_POINT();
    CHECK_EQ(grow(3), 15);
    CHECK_ERRNO(wait(NULL), ECHILD);
    test_done();
}
