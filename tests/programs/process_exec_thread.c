// exec from a thread that isn't the first: the PID stays, the other threads are gone.
#include "pmi_test.h"
static char* name;
static void* wait_forever(void* argument) {
    for (;;) pause();
    return argument;
}
static void* thread_main(void* argument) {
    char pid[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    MIGRATE_POINT();
    CHECK_SYS(execl("/proc/self/exe", name, pid, (char*)NULL));
    return argument;
}
int main(int argc, char** argv) {
    if (argc > 1) {
        CHECK_EQ(getpid(), atoi(argv[1]));
        CHECK_EQ(syscall(SYS_gettid), getpid());
        DIR* dir = opendir("/proc/self/task");
        CHECK(dir != NULL);
        int tasks = 0;
        for (struct dirent* entry; (entry = readdir(dir));) tasks += entry->d_name[0] != '.';
        CHECK_EQ(tasks, 1);
        MIGRATE_POINT();
        test_done();
    }
    name = argv[0];
    pthread_t threads[3];
    CHECK_ZERO(pthread_create(&threads[0], NULL, wait_forever, NULL));
    CHECK_ZERO(pthread_create(&threads[1], NULL, wait_forever, NULL));
    MIGRATE_POINT();
    CHECK_ZERO(pthread_create(&threads[2], NULL, thread_main, NULL));
    for (;;) pause();
}
