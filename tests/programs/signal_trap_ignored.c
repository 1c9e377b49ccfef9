// SIGTRAP that is ignored stays ignored, with the rest of its disposition, for the program and for what it starts; and a
// handler is not taken for it.
#include "pmi_test.h"
#include <sys/wait.h>
static volatile sig_atomic_t handled;
static void on_trap(int sig) {
    (void)sig;
    handled++;
}
static bool is_ignored_by(const char* status) {
    char text[8192];
    slurp(status, text, sizeof text);
    const char* at = strstr(text, "\nSigIgn:");
    CHECK(at != NULL);
    return (strtoull(at + 8, NULL, 16) >> (SIGTRAP - 1) & 1) != 0;
}
static void check_ignored(void) {
    struct sigaction now;
    CHECK_SYS(sigaction(SIGTRAP, NULL, &now));
    CHECK(now.sa_handler == SIG_IGN);
    CHECK((now.sa_flags & (SA_NODEFER | SA_RESTART)) == (SA_NODEFER | SA_RESTART));
    CHECK_EQ(sigismember(&now.sa_mask, SIGUSR2), 1);
    CHECK_EQ(sigismember(&now.sa_mask, SIGUSR1), 0);
    CHECK(is_ignored_by("/proc/self/status"));
    CHECK_SYS(kill(getpid(), SIGTRAP));
    CHECK_SYS(raise(SIGTRAP));
}
static void* wait_in_thread(void* argument) {
    sem_t* go = argument;
    while (sem_wait(go) != 0) CHECK_EQ(errno, EINTR);
    check_ignored();
    return NULL;
}
int main(int argc, char** argv) {
    if (argc > 1) {
        CHECK(is_ignored_by("/proc/self/status"));
        return 0;
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN, .sa_flags = SA_NODEFER | SA_RESTART};
    sigaddset(&ignore.sa_mask, SIGUSR2);
    CHECK_SYS(sigaction(SIGTRAP, &ignore, NULL));
    sem_t go;
    CHECK_SYS(sem_init(&go, 0, 0));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, wait_in_thread, &go));
    check_ignored();
    MIGRATE_POINT();
    for (int i = 0; i < 3; i++) {
        check_ignored();
        char* more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(more != MAP_FAILED);
        more[i] = 1;
        CHECK_SYS(munmap(more, 1 << 20));
        int fd = (int)CHECK_SYS(open("/proc/self/exe", O_RDONLY));
        char* mapped = CHECK_MMAP(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
        CHECK_EQ(mapped[1], 'E');
        CHECK_SYS(munmap(mapped, 4096));
        CHECK_SYS(close(fd));
        check_ignored();
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) {
            check_ignored();
            execv("/proc/self/exe", (char*[]){argv[0], "exec", NULL});
            _exit(9);
        }
        CHECK_EXITED(child, 0);
        MIGRATE_POINT();
    }
    CHECK_SYS(sem_post(&go));
    CHECK_ZERO(pthread_join(thread, NULL));
    struct sigaction handle = {.sa_handler = on_trap}, old;
    CHECK_SYS(sigaction(SIGTRAP, &handle, &old));
    CHECK(old.sa_handler == SIG_IGN);
    MIGRATE_POINT();
    CHECK_SYS(kill(getpid(), SIGTRAP));
    CHECK_EQ(handled, 1);
    CHECK_SYS(sigaction(SIGTRAP, &ignore, &old));
    CHECK(old.sa_handler == on_trap);
    MIGRATE_POINT();
    check_ignored();
    CHECK_EQ(handled, 1);
    test_done();
}
