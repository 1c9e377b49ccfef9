// A reader blocked in read(pipe) gets the bytes when they come, whole and in order; then end of file.
#include "pmi_test.h"
static void* writer(void* argument) {
    int fd = *(int*)argument;
    for (int i = 0; i < 20; i++) {
        MIGRATE_POINT();
        sleep_ms(10);
        int value[2] = {i, ~i};
        write_all(fd, value, sizeof value);
    }
    CHECK_SYS(close(fd));
    return NULL;
}
int main(void) {
    int p[2];
    CHECK_SYS(pipe(p));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, writer, &p[1]));
    for (int i = 0; i < 20; i++) {
        int value[2];
        CHECK_EQ(read(p[0], value, sizeof value), (long)sizeof value);
        CHECK_EQ(value[0], i);
        CHECK_EQ(value[1], ~i);
    }
    char byte;
    CHECK_EQ(read(p[0], &byte, 1), 0);
    CHECK_ZERO(pthread_join(thread, NULL));
    test_done();
}
