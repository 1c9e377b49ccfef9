// Children that end, by themselves or killed, while they are making threads: each is reaped, with the status it ended with.
#include <sys/wait.h>
#include "pmi_test.h"
static void* stay_a_moment(void* argument) {
    struct timespec moment = {0, (long)((uintptr_t)argument % 300) * 1000};
    nanosleep(&moment, NULL);
    return NULL;
}
static void* exit_later(void* argument) {
    struct timespec pause = {0, (2000 + (long)(intptr_t)argument) * 1000};
    nanosleep(&pause, NULL);
    _exit(77);
}
static void __attribute__((noreturn)) make_threads(int round, bool exits) {
    pthread_t thread;
    if (exits) pthread_create(&thread, NULL, exit_later, (void*)(intptr_t)(round * 137 % 1500));
    for (uintptr_t i = 0;; i++) {
        if (pthread_create(&thread, NULL, stay_a_moment, (void*)i) == 0) pthread_detach(thread);
        if (i % 5 == 4) sched_yield();
    }
}
int main(void) {
    for (int round = 0; round < 60; round++) {
        bool exits = round % 2 == 0;
        pid_t child = (pid_t)CHECK_SYS(fork());
        if (child == 0) make_threads(round, exits);
        if (!exits) {
            struct timespec pause = {0, (1000 + round * 91 % 2000) * 1000};
            nanosleep(&pause, NULL);
            CHECK_SYS(kill(child, SIGKILL));
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (exits)
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 77);
        else
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        if (round % 15 == 0) MIGRATE_POINT();
    }
    test_done();
}
