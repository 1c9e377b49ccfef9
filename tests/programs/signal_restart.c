// A read interrupted by a handler goes on with SA_RESTART and is EINTR without; no bytes are lost.
#include "pmi_test.h"
static volatile sig_atomic_t count;
static int p[2];
static void on_signal(int sig) {
    (void)sig;
    count++;
}
static pid_t sender(bool then_write) {  // signals until the parent says that it was seen, then perhaps writes
    pid_t parent = getpid(), child = fork();
    if (child != 0) return child;
    for (int i = 0; i < 5 || !then_write; i++) {
        sleep_ms(20);
        if (kill(parent, SIGUSR1) == -1 || getppid() != parent) _exit(0);
    }
    write_all(p[1], "data", 4);
    _exit(0);
}
int main(void) {
    CHECK_SYS(pipe(p));
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    LaterPoint later;
    MIGRATE_POINT_LATER(&later, 50);
    pid_t child = sender(true);
    char text[8];
    CHECK_EQ(read(p[0], text, sizeof text), 4);
    CHECK(memcmp(text, "data", 4) == 0);
    CHECK(count >= 1);
    CHECK_EXITED(child, 0);
    later_point_join(&later);
    MIGRATE_POINT();
    action.sa_flags = 0;
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    for (int i = 0; i < 3; i++) {
        MIGRATE_POINT();
        child = sender(false);
        int before = count;
        CHECK_ERRNO(read(p[0], text, sizeof text), EINTR);
        CHECK(count > before);
        CHECK_SYS(kill(child, SIGKILL));
        CHECK_KILLED(child, SIGKILL);
    }
    write_all(p[1], "kept", 4);
    MIGRATE_POINT();
    CHECK_EQ(read(p[0], text, sizeof text), 4);
    test_done();
}
