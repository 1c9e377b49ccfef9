// Stopped and continued over and over, whatever else is done to it meanwhile: every stop stops it, and is seen by its parent.
#include "counting_child.h"
int main(void) {
    CountingChild child = start_counting(500);
    for (int round = 0; round < 200; round++) {
        stop_counting(&child);
        if (round % 50 == 25) MIGRATE_POINT_OF(child.pid);
        drain(&child);
        usleep(2000);
        check_nothing_counted(&child);
        continue_counting(&child);
    }
    end_counting(&child);
    test_done();
}
