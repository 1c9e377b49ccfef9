// POSIX message queues: priorities, attributes, what waits stays, notification by signal.
#include "pmi_test.h"
#include <mqueue.h>
static volatile sig_atomic_t notified;
static void on_signal(int sig) {
    (void)sig;
    notified++;
}
int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/pmi-test-%d-%lld", getpid(), (long long)now_ns());
    struct mq_attr attr = {.mq_maxmsg = 5, .mq_msgsize = 32};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
    if (queue == (mqd_t)-1 && (errno == ENOSYS || errno == EMFILE || errno == ENOSPC)) test_skip("no POSIX queues");
    CHECK_SYS(queue);
    CHECK_SYS(mq_unlink(name));
    unsigned priorities[4] = {1, 9, 4, 9};
    for (int i = 0; i < 4; i++) CHECK_SYS(mq_send(queue, &"0123"[i], 1, priorities[i]));
    MIGRATE_POINT();
    char text[32];
    unsigned priority;
    CHECK_EQ(mq_receive(queue, text, sizeof text, &priority), 1);
    CHECK(text[0] == '1' && priority == 9);
    CHECK_SYS(mq_getattr(queue, &attr));
    CHECK_EQ(attr.mq_curmsgs, 3);
    CHECK_EQ(attr.mq_flags, O_NONBLOCK);
    MIGRATE_POINT();
    const char order[] = "320";
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(mq_receive(queue, text, sizeof text, &priority), 1);
        CHECK_EQ(text[0], order[i]);
    }
    CHECK_ERRNO(mq_receive(queue, text, sizeof text, NULL), EAGAIN);
    CHECK_ERRNO(mq_receive(queue, text, 3, NULL), EMSGSIZE);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CHECK_SYS(mq_notify(queue, &event));
    MIGRATE_POINT();
    CHECK_SYS(mq_send(queue, "x", 1, 0));
    WAIT_FOR(notified == 1);
    test_done();
}
