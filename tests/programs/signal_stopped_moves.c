// Stopped by job control, a program stays stopped wherever it is taken, and goes on when it is continued.
#include "counting_child.h"
int main(void) {
    CountingChild child = start_counting(1000);
    for (int round = 0; round < 3; round++) {
        stop_counting(&child);
        MIGRATE_POINT();
        drain(&child);
        MIGRATE_POINT_OF(child.pid);
        check_nothing_counted(&child);
        MIGRATE_POINT_OF(child.pid);
        check_nothing_counted(&child);
        continue_counting(&child);
    }
    end_counting(&child);
    test_done();
}
