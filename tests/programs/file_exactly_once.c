// A numbered log appended by two threads while timer signals hit them: every line once and whole.
#include "pmi_test.h"
enum { LINES = 4000 };
static int fd;
static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
    (void)sig;
    ticks++;
}
static void* writer(void* argument) {
    int who = (int)(intptr_t)argument;
    for (int i = 0; i < LINES; i++) {
        char line[64];
        int length = snprintf(line, sizeof line, "%d %d the rest of the line\n", who, i);
        CHECK_EQ(write(fd, line, (size_t)length), length);
        if (i % 1500 == 700) MIGRATE_POINT();
    }
    return NULL;
}
int main(void) {
    enter_scratch();
    fd = (int)CHECK_SYS(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600));
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval every = {{0, 1000}, {0, 1000}};
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    pthread_t threads[2];
    for (intptr_t i = 0; i < 2; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, writer, (void*)i));
    for (int i = 0; i < 2; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    FILE* log = fopen("log", "r");
    CHECK(log != NULL);
    char line[128];
    int next[2] = {0};
    while (fgets(line, sizeof line, log)) {
        int who, number, end = 0;
        CHECK_EQ(sscanf(line, "%d %d the rest of the line%n", &who, &number, &end), 2);
        CHECK(end > 0 && line[end] == '\n' && (who == 0 || who == 1));
        CHECK_EQ(number, next[who]++);
    }
    CHECK_EQ(next[0], LINES);
    CHECK_EQ(next[1], LINES);
    test_done();
}
