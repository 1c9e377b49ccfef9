// eventfd: counter, semaphore mode, overflow, blocking read from another thread.
#include "pmi_test.h"
#include <sys/eventfd.h>
static void* waker(void* argument) {
    MIGRATE_POINT();
    sleep_ms(30);
    CHECK_SYS(eventfd_write(*(int*)argument, 5));
    return NULL;
}
int main(void) {
    int fd = (int)CHECK_SYS(eventfd(3, 0)), sem = (int)CHECK_SYS(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    eventfd_t value;
    CHECK_SYS(eventfd_write(fd, 4));
    MIGRATE_POINT();
    CHECK_SYS(eventfd_read(fd, &value));
    CHECK_EQ(value, 7);
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, waker, &fd));
    CHECK_SYS(eventfd_read(fd, &value));
    CHECK_EQ(value, 5);
    CHECK_ZERO(pthread_join(thread, NULL));
    CHECK_SYS(eventfd_read(sem, &value));
    CHECK_EQ(value, 1);
    MIGRATE_POINT();
    CHECK_SYS(eventfd_read(sem, &value));
    CHECK_EQ(value, 1);
    CHECK_ERRNO(eventfd_read(sem, &value), EAGAIN);
    CHECK_SYS(eventfd_write(sem, UINT64_MAX - 1));
    CHECK_ERRNO(eventfd_write(sem, 1), EAGAIN);
    CHECK_ERRNO(write(sem, "abc", 3), EINVAL);
    test_done();
}
