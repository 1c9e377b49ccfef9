// A userfaultfd handler fills pages on demand. (May keep the program at home.)
#include "pmi_test.h"
#include <linux/userfaultfd.h>
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
static int fd;
static void* filler(void* argument) {
    static char page[4096] __attribute__((aligned(4096)));
    for (int i = 0; i < 8; i++) {
        struct uffd_msg message;
        CHECK_EQ(read(fd, &message, sizeof message), (long)sizeof message);
        CHECK_EQ(message.event, UFFD_EVENT_PAGEFAULT);
        uint64_t address = message.arg.pagefault.address & ~4095ULL;
        memset(page, (int)((address - (uintptr_t)argument) / 4096 + 'a'), sizeof page);
        struct uffdio_copy copy = {.dst = address, .src = (uintptr_t)page, .len = 4096};
        CHECK_SYS(ioctl(fd, UFFDIO_COPY, &copy));
    }
    return NULL;
}
int main(void) {
    fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd == -1) test_skip("no userfaultfd");
    struct uffdio_api api = {.api = UFFD_API};
    CHECK_SYS(ioctl(fd, UFFDIO_API, &api));
    char* area = CHECK_MMAP(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct uffdio_register range = {.range = {(uintptr_t)area, 8 * 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    CHECK_SYS(ioctl(fd, UFFDIO_REGISTER, &range));
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, filler, area));
    for (int i = 0; i < 8; i++) {
        if (i % 3 == 0) MIGRATE_POINT();
        CHECK_EQ(*(volatile char*)(area + i * 4096 + 5), 'a' + i);
    }
    CHECK_ZERO(pthread_join(thread, NULL));
    MIGRATE_POINT();
    for (int i = 0; i < 8; i++) CHECK_EQ(area[i * 4096], 'a' + i);
    test_done();
}
