// A signal comes while the program maps a file, and its handler maps a larger one: each finds the place that was found for it.
#include "pmi_test.h"
enum { PAGE = 4096 };
static int fd;
static volatile sig_atomic_t ticks;
static void on_alarm(int s) {
    int saved = errno;
    (void)s;
    unsigned char* p = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) FAIL("handler: mmap %s", strerror(errno));
    for (int i = 0; i < 16; i++)
        if (p[i * PAGE] != 10 + i) FAIL("handler: page %d is %d", i, p[i * PAGE]);
    munmap(p, 16 * PAGE);
    ticks++;
    errno = saved;
}
int main(void) {
    enter_scratch();
    fd = (int)CHECK_SYS(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
    unsigned char page[PAGE];
    for (int i = 0; i < 16; i++) {
        memset(page, 10 + i, PAGE);
        write_all(fd, page, PAGE);
    }
    MIGRATE_POINT();
    // Memory with holes of two pages: what is mapped goes into them.
    unsigned char* area = CHECK_MMAP(mmap(NULL, 400 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(area, 77, 400 * PAGE);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 9000}, {0, 9000}}, never = {{0, 0}, {0, 0}};
    CHECK_SYS(setitimer(ITIMER_REAL, &often, NULL));
    int64_t end = now_ns() + 2 * NSEC_PER_SEC;
    for (int n = 0; now_ns() < end; n++) {
        unsigned char* hole = area + (1 + (n % 39) * 10) * PAGE;
        CHECK_SYS(munmap(hole, 2 * PAGE));
        unsigned char* p = CHECK_MMAP(mmap(hole, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE));
        CHECK_EQ(p[0], 12);
        CHECK_EQ(p[PAGE], 13);
        CHECK_SYS(munmap(p, 2 * PAGE));
        CHECK(mmap(hole, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole);
        memset(hole, 77, 2 * PAGE);
        for (int i = 0; i < 400; i++) CHECK_EQ(area[i * PAGE], 77);
    }
    CHECK_SYS(setitimer(ITIMER_REAL, &never, NULL));
    CHECK(ticks > 5);
    MIGRATE_POINT();
    for (int i = 0; i < 400; i++) CHECK_EQ(area[i * PAGE], 77);
    test_done();
}
