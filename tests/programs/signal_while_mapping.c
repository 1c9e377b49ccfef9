// Signals that come all the time while files are mapped, unmapped and mappings grow: each call does what it does, and each handler
// has run to its end.
#include "pmi_test.h"
enum { PAGE = 4096, PAGES = 8, ROUNDS = 150 };
static volatile sig_atomic_t ticks;
static void on_alarm(int signal) {
    int saved = errno;
    ticks += signal == SIGALRM;
    errno = saved;
}

static void map_and_check(int fd, unsigned char value) {
    unsigned char* p = CHECK_MMAP(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    unsigned char* half = CHECK_MMAP(mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE));
    CHECK(half == p + 4 * PAGE);
    for (int i = 0; i < PAGES; i++) CHECK_EQ(p[i * PAGE], (unsigned char)(value + (i < 4 ? i : i - 2)));
    half[0] = 1;
    CHECK_SYS(munmap(p, PAGES * PAGE));
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
}

static void grow_and_check(void) {
    char* p = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    strcpy(p + PAGE, "kept");
    p = CHECK_MMAP(mremap(p, 2 * PAGE, 40 * PAGE, MREMAP_MAYMOVE));
    CHECK(strcmp(p + PAGE, "kept") == 0 && p[39 * PAGE] == 0);
    CHECK_SYS(munmap(p, 40 * PAGE));
}

int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
    unsigned char page[PAGE];
    for (int i = 0; i < PAGES; i++) {
        memset(page, 10 + i, sizeof page);
        CHECK_EQ(write(fd, page, sizeof page), PAGE);
    }
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    for (int n = 0; n < 3; n++) {
        CHECK_SYS(setitimer(ITIMER_REAL, &often, NULL));
        for (int i = 0; i < ROUNDS / 3; i++) map_and_check(fd, 10), grow_and_check();
        while (ticks < 10 * (n + 1)) sched_yield();
        CHECK_SYS(setitimer(ITIMER_REAL, &never, NULL));
        MIGRATE_POINT();
    }
    test_done();
}
