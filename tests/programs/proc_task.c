// /proc/self/task lists exactly the threads that live.
#include "pmi_test.h"
static atomic_int stop, ready;
static pid_t tids[5];
static void* waiter(void* argument) {
    tids[(intptr_t)argument] = gettid();
    ready++;
    WAIT_FOR(stop);
    return NULL;
}
static bool listed(pid_t tid, int* total) {
    DIR* dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    bool found = false;
    *total = 0;
    for (struct dirent* entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        ++*total;
        found |= atoi(entry->d_name) == tid;
    }
    closedir(dir);
    return found;
}
int main(void) {
    pthread_t threads[5];
    int total;
    for (intptr_t i = 0; i < 5; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, waiter, (void*)i));
    WAIT_FOR(ready == 5);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) CHECK(listed(tids[i], &total));
        CHECK(listed(getpid(), &total));
        CHECK_EQ(total, 6);
        MIGRATE_POINT();
    }
    stop = 1;
    for (int i = 0; i < 5; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    WAIT_FOR(!listed(tids[0], &total) && total == 1);
    test_done();
}
