// SIGCHLD tells who ended and how: exited, killed, stopped, continued.
#include "pmi_test.h"
static volatile siginfo_t seen[16];
static volatile sig_atomic_t count;
static void on_child(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    seen[count] = *info;
    count++;
}
static void expect(int index, pid_t pid, int code, int status) {
    WAIT_FOR(count > index);
    CHECK_EQ(seen[index].si_pid, pid);
    CHECK_EQ(seen[index].si_code, code);
    CHECK_EQ(seen[index].si_status, status);
    CHECK_EQ(seen[index].si_uid, getuid());
    CHECK_EQ(count, index + 1);
}
int main(void) {
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGCHLD, &action, NULL));
    pid_t child = fork();
    if (child == 0) _exit(23);
    expect(0, child, CLD_EXITED, 23);
    CHECK_EXITED(child, 23);
    MIGRATE_POINT();
    child = fork();
    if (child == 0)
        for (;;) pause();
    CHECK_SYS(kill(child, SIGSTOP));
    expect(1, child, CLD_STOPPED, SIGSTOP);
    MIGRATE_POINT();
    CHECK_SYS(kill(child, SIGCONT));
    expect(2, child, CLD_CONTINUED, SIGCONT);
    MIGRATE_POINT();
    CHECK_SYS(kill(child, SIGTERM));
    expect(3, child, CLD_KILLED, SIGTERM);
    CHECK_KILLED(child, SIGTERM);
    sleep_ms(20);
    CHECK_EQ(count, 4);  // and no second one
    test_done();
}
