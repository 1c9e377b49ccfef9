// A signal ends a call that waits, at any time: select, poll, pause and a read that doesn't restart. Children wait; the
// parent sees in /proc that they do, signals them, and hears of each that its call has ended.
#include <sys/select.h>
#include "pmi_test.h"
enum { kChildren = 12, kRounds = 60 };
static volatile sig_atomic_t flag;
static void on_signal(int sig) {
    (void)sig;
    flag = 1;
}
static void wait_once(int kind, int quiet_fd) {
    char c;
    struct timeval select_limit = {60, 0};
    if (kind == 0) CHECK_ERRNO(select(0, NULL, NULL, NULL, &select_limit), EINTR);
    if (kind == 1) CHECK_ERRNO(poll(NULL, 0, 60000), EINTR);
    if (kind == 2) CHECK_ERRNO(pause(), EINTR);
    if (kind == 3) CHECK_ERRNO(read(quiet_fd, &c, 1), EINTR);
}
// The call that it is in; -1: none, or another than these.
static int kind_of_wait(pid_t pid) {
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    int fd = CHECK_SYS(open(path, O_RDONLY));
    CHECK(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    int nr = atoi(text);
    if (nr == SYS_pselect6 || nr == SYS_select) return 0;
    if (nr == SYS_poll || nr == SYS_restart_syscall) return 1;  // once stopped, it goes on under that number
    if (nr == SYS_pause) return 2;
    return nr == SYS_read && text[0] == '0' ? 3 : -1;
}
static void child(int kind, int say, int quiet_fd) {
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    for (int round = 0; round < kRounds; round++) {
        flag = 0;
        CHECK(write(say, "w", 1) == 1);
        wait_once(kind, quiet_fd);
        CHECK(flag == 1);
        CHECK(write(say, "e", 1) == 1);
    }
    _exit(0);
}
int main(void) {
    int say[kChildren][2], quiet[2];
    pid_t children[kChildren];
    CHECK_SYS(pipe(quiet));
    for (int i = 0; i < kChildren; i++) {
        CHECK_SYS(pipe(say[i]));
        children[i] = CHECK_SYS(fork());
        if (children[i] == 0) child(i % 4, say[i][1], quiet[0]);
    }
    for (int round = 0; round < kRounds; round++) {
        char c;
        for (int i = 0; i < kChildren; i++) CHECK(read(say[i][0], &c, 1) == 1 && c == 'w');
        MIGRATE_POINT();
        for (int i = 0; i < kChildren; i++) WAIT_FOR(kind_of_wait(children[i]) == i % 4);
        sleep_ms(round % 8 * 5);
        for (int i = 0; i < kChildren; i++) CHECK_SYS(kill(children[i], SIGUSR2));
        for (int i = 0; i < kChildren; i++) {
            struct pollfd ended = {say[i][0], POLLIN, 0};
            int ready;
            do ready = poll(&ended, 1, 15000);
            while (ready < 0 && errno == EINTR);
            if (ready == 0) fprintf(stderr, "child %d, kind %d, still waits\n", children[i], i % 4);
            CHECK(ready == 1);
            CHECK(read(say[i][0], &c, 1) == 1 && c == 'e');
        }
    }
    for (int i = 0; i < kChildren; i++) {
        int status;
        CHECK_SYS(waitpid(children[i], &status, 0));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    test_done();
}
