// Threads that wait with a limit that is far away are woken by what they wait for, however often they were stopped meanwhile: by
// job control, or by moves.
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/wait.h>
#include "pmi_test.h"
enum { kLimitSeconds = 40 };  // longer than the test may take
static int words[2];
static int pipes[2][2];
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_signalled;
static atomic_int woken;

static void poll_until_readable(int fd, int timeout_ms) {
    struct pollfd set[2] = {{-1, POLLIN, 99}, {fd, POLLIN, 0}};
    CHECK_EQ(poll(set, 2, timeout_ms), 1);
    CHECK_EQ(set[0].revents, 0);
    CHECK_EQ(set[1].revents, POLLIN);
    char byte;
    CHECK_EQ(read(fd, &byte, 1), 1);
}
static void futex_until_set(int* word, int operation, int64_t time_ns) {
    struct timespec time = to_timespec(time_ns);
    while (!__atomic_load_n(word, __ATOMIC_ACQUIRE)) {
        long result = syscall(SYS_futex, word, operation, 0, &time, NULL, FUTEX_BITSET_MATCH_ANY);
        if (result != 0 && errno != EAGAIN) FAIL("futex operation %d: %s", operation, strerror(errno));
    }
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
}
static struct timespec wall_limit(void) { return to_timespec(clock_ns(CLOCK_REALTIME) + kLimitSeconds * NSEC_PER_SEC); }

static void* wait_once(void* argument) {
    struct timespec limit = wall_limit();
    switch ((int)(intptr_t)argument) {
        case 0: poll_until_readable(pipes[0][0], kLimitSeconds * 1000); break;
        case 1: poll_until_readable(pipes[1][0], -1); break;
        case 2: futex_until_set(&words[0], FUTEX_WAIT, kLimitSeconds * NSEC_PER_SEC); break;
        case 3: futex_until_set(&words[1], FUTEX_WAIT_BITSET, now_ns() + kLimitSeconds * NSEC_PER_SEC); break;
        case 4: CHECK_ZERO(sem_timedwait(&semaphore, &limit)); break;
        default:
            CHECK_ZERO(pthread_mutex_lock(&mutex));
            while (!is_signalled) CHECK_ZERO(pthread_cond_timedwait(&condition, &mutex, &limit));
            is_signalled = false;
            CHECK_ZERO(pthread_mutex_unlock(&mutex));
    }
    woken++;
    return NULL;
}
static void wake(int number) {
    switch (number) {
        case 0:
        case 1: write_all(pipes[number][1], "x", 1); break;
        case 2:
        case 3:
            __atomic_store_n(&words[number - 2], 1, __ATOMIC_RELEASE);
            CHECK_SYS(syscall(SYS_futex, &words[number - 2], FUTEX_WAKE, 1, NULL, NULL, 0));
            break;
        case 4: CHECK_SYS(sem_post(&semaphore)); break;
        default:
            CHECK_ZERO(pthread_mutex_lock(&mutex));
            is_signalled = true;
            CHECK_ZERO(pthread_cond_signal(&condition));
            CHECK_ZERO(pthread_mutex_unlock(&mutex));
    }
}

static void be_stopped_and_continued(void) {
    pid_t child = (pid_t)CHECK_SYS(fork());
    if (child == 0) {
        pid_t parent = getppid();
        kill(parent, SIGSTOP);
        char name[64], state = 0;
        snprintf(name, sizeof name, "/proc/%d/stat", parent);
        while (state != 'T' && state != 't') {
            FILE* file = fopen(name, "r");
            if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1) _exit(1);
            fclose(file);
        }
        kill(parent, SIGCONT);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(void) {
    enum { kWaiters = 6 };
    CHECK_SYS(pipe(pipes[0]));
    CHECK_SYS(pipe(pipes[1]));
    CHECK_SYS(sem_init(&semaphore, 0, 0));
    int64_t start = now_ns();
    for (int round = 0; round < 3; round++) {
        pthread_t threads[kWaiters];
        for (int i = 0; i < kWaiters; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, wait_once, (void*)(intptr_t)i));
        sleep_ms(50);
        if (round > 0) be_stopped_and_continued();
        MIGRATE_POINT();
        if (round > 1) be_stopped_and_continued();
        MIGRATE_POINT();
        CHECK_EQ(woken, round * kWaiters);
        for (int i = 0; i < kWaiters; i++) {
            wake(i);
            CHECK_ZERO(pthread_join(threads[i], NULL));
            CHECK_EQ(woken, round * kWaiters + i + 1);
        }
    }
    CHECK(now_ns() - start < kLimitSeconds * NSEC_PER_SEC);
    test_done();
}
