// inotify: events of a directory, with names and cookies, also those queued before a point.
#include "pmi_test.h"
#include <sys/inotify.h>
static int fd;
static char buffer[4096] __attribute__((aligned(8)));
static struct inotify_event* next_event(void) {
    static long length, at;
    if (at >= length) {
        length = CHECK_SYS(read(fd, buffer, sizeof buffer));
        at = 0;
    }
    struct inotify_event* event = (struct inotify_event*)(buffer + at);
    at += (long)(sizeof *event + event->len);
    return event;
}
static void expect(int wd, uint32_t mask, const char* name) {
    struct inotify_event* event = next_event();
    CHECK_EQ(event->wd, wd);
    CHECK_EQ(event->mask, mask);
    CHECK_STR(event->len ? event->name : "", name);
}
int main(void) {
    enter_scratch();
    CHECK_SYS(mkdir("d", 0700));
    fd = (int)CHECK_SYS(inotify_init1(IN_CLOEXEC));
    int wd = (int)CHECK_SYS(inotify_add_watch(fd, "d", IN_CREATE | IN_MOVE | IN_DELETE | IN_CLOSE_WRITE));
    CHECK_SYS(close((int)CHECK_SYS(open("d/one", O_CREAT | O_WRONLY, 0600))));
    CHECK_SYS(rename("d/one", "d/two"));
    MIGRATE_POINT();
    expect(wd, IN_CREATE, "one");
    expect(wd, IN_CLOSE_WRITE, "one");
    struct inotify_event* event = next_event();
    CHECK_EQ(event->mask, IN_MOVED_FROM);
    uint32_t cookie = event->cookie;
    event = next_event();
    CHECK_EQ(event->mask, IN_MOVED_TO);
    CHECK_EQ(event->cookie, cookie);
    CHECK_STR(event->name, "two");
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(50);
        CHECK_SYS(unlink("d/two"));
        _exit(0);
    }
    expect(wd, IN_DELETE, "two");  // blocks until the child does it
    CHECK_EXITED(child, 0);
    MIGRATE_POINT();
    CHECK_SYS(inotify_rm_watch(fd, wd));
    expect(wd, IN_IGNORED, "");
    test_done();
}
