// mq_timedreceive on an empty queue and mq_timedsend on a full one end at their deadlines.
#include "pmi_test.h"
#include <mqueue.h>
int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/pmi-test-%d-%lld", getpid(), (long long)now_ns());
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 16};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (queue == (mqd_t)-1 && (errno == ENOSYS || errno == EMFILE || errno == ENOSPC)) test_skip("no POSIX queues");
    CHECK_SYS(queue);
    CHECK_SYS(mq_unlink(name));
    char text[16];
    for (int i = 0; i < 2; i++) {
        LaterPoint later;
        MIGRATE_POINT_LATER(&later, 300);
        int64_t start = now_ns();
        struct timespec deadline = to_timespec(clock_ns(CLOCK_REALTIME) + 1300 * NSEC_PER_MSEC);
        if (i == 0)
            CHECK_ERRNO(mq_timedreceive(queue, text, sizeof text, NULL, &deadline), ETIMEDOUT);
        else
            CHECK_ERRNO(mq_timedsend(queue, "b", 1, 0, &deadline), ETIMEDOUT);
        CHECK_ELAPSED_SLACK(start, 1300, 2);
        later_point_join(&later);
        if (i == 0) CHECK_SYS(mq_send(queue, "a", 1, 0));
    }
    test_done();
}
