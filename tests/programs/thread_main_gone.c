// A process whose first thread ended long ago goes on in every respect: threads, signals, memory, files, exec, its end.
#include "pmi_test.h"
enum { WAYS = 4 };
static int way;
static volatile sig_atomic_t handled;
static void on_signal(int sig) {
    (void)sig;
    handled++;
}
static void* add_one(void* argument) {
    MIGRATE_POINT();
    ++*(int*)argument;
    return NULL;
}
static void* life(void* argument) {
    CHECK_ZERO(pthread_join(*(pthread_t*)argument, NULL));
    struct sigaction action = {.sa_handler = on_signal};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_SYS(ftruncate(fd, 4096));
    char* map = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    int sum = 0;
    for (int round = 1; round <= 3; round++) {
        MIGRATE_POINT();
        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, NULL, add_one, &sum));
        CHECK_ZERO(pthread_join(thread, NULL));
        CHECK_EQ(sum, round);
        CHECK_SYS(kill(getpid(), SIGUSR1));
        WAIT_FOR(handled == round);
        CHECK(gettid() != getpid());
        snprintf(map, 64, "round %d", round);
        char got[64];
        CHECK_EQ(pread(fd, got, sizeof got, 0), sizeof got);
        CHECK_STR(got, map);
        int64_t start = now_ns();
        sleep_ms(20);
        CHECK_ELAPSED(start, 20);
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) _exit(round);
        CHECK_EXITED(child, round);
    }
    MIGRATE_POINT();
    if (way == 0) exit(40);
    if (way == 1) execl("/bin/sh", "sh", "-c", "exit 41", NULL);
    if (way == 2) kill(getpid(), SIGKILL);
    return NULL;  // the last thread: the status is the first one's
}
int main(void) {
    enter_scratch();
    for (way = 0; way < WAYS; way++) {
        pid_t pid = (pid_t)CHECK_SYS(fork());
        if (pid == 0) {
            static pthread_t self;
            self = pthread_self();
            pthread_t thread;
            CHECK_ZERO(pthread_create(&thread, NULL, life, &self));
            pthread_exit(NULL);
        }
        if (way == 2)
            CHECK_KILLED(pid, SIGKILL);
        else
            CHECK_EXITED(pid, way == 3 ? 0 : 40 + way);
    }
    test_done();
}
