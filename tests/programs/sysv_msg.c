// SysV messages that wait in a queue stay, are taken by type, and a blocked msgrcv goes on.
#include "pmi_test.h"
#include <sys/ipc.h>
#include <sys/msg.h>
struct message {
    long type;
    char text[32];
};
static int id;
static void* receiver(void* argument) {
    struct message m;
    CHECK_EQ(msgrcv(id, &m, sizeof m.text, 77, 0), 5);
    CHECK(memcmp(m.text, "later", 5) == 0);
    return argument;
}
int main(void) {
    id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (id == -1 && (errno == ENOSYS || errno == ENOSPC)) test_skip("no SysV queues");
    CHECK_SYS(id);
    for (int i = 1; i <= 4; i++) {
        struct message m = {i, ""};
        int length = snprintf(m.text, sizeof m.text, "message %d", i);
        CHECK_SYS(msgsnd(id, &m, (size_t)length, 0));
    }
    MIGRATE_POINT();
    struct message m = {0};
    CHECK_EQ(msgrcv(id, &m, sizeof m.text, 3, 0), 9);
    CHECK_EQ(m.type, 3);
    CHECK_STR(m.text, "message 3");
    CHECK_ERRNO(msgrcv(id, &m, 2, 0, 0), E2BIG);
    CHECK_EQ(msgrcv(id, &m, sizeof m.text, -4, 0), 9);
    CHECK_EQ(m.type, 1);
    CHECK_ERRNO(msgrcv(id, &m, sizeof m.text, 50, IPC_NOWAIT), ENOMSG);
    struct msqid_ds state;
    MIGRATE_POINT();
    CHECK_SYS(msgctl(id, IPC_STAT, &state));
    CHECK_EQ(state.msg_qnum, 2);
    CHECK_EQ(state.msg_lrpid, getpid());
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, receiver, NULL));
    sleep_ms(50);
    MIGRATE_POINT();
    struct message late = {77, "later"};
    CHECK_SYS(msgsnd(id, &late, 5, 0));
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_SYS(msgctl(id, IPC_RMID, NULL));
    test_done();
}
