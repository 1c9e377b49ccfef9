// Kernel AIO: a write and a read by io_submit come back with their results. (May keep the program at home.)
#include "pmi_test.h"
#include <linux/aio_abi.h>
int main(void) {
    enter_scratch();
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 4, &context) == -1) test_skip("no kernel AIO");
    int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT, 0600));
    char data[4096], back[4096];
    memset(data, 'q', sizeof data);
    for (int i = 0; i < 4; i++) {
        MIGRATE_POINT();
        struct iocb request = {.aio_lio_opcode = i % 2 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
                               .aio_fildes = (uint32_t)fd,
                               .aio_buf = (uintptr_t)(i % 2 ? back : data),
                               .aio_nbytes = 4096,
                               .aio_data = 50 + (uint64_t)i};
        struct iocb* list[] = {&request};
        CHECK_EQ(syscall(SYS_io_submit, context, 1, list), 1);
        struct io_event event;
        CHECK_EQ(syscall(SYS_io_getevents, context, 1, 1, &event, NULL), 1);
        CHECK_EQ(event.data, 50 + i);
        CHECK_EQ(event.res, 4096);
    }
    CHECK(memcmp(data, back, 4096) == 0);
    CHECK_SYS(syscall(SYS_io_destroy, context));
    test_done();
}
