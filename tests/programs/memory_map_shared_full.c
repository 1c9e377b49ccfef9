// Stores in a mapped file for which its disk has no room: SIGBUS, at the latest before the next call is made.
#include "pmi_test.h"
#include <setjmp.h>
#include <sys/mount.h>
enum { kPage = 4096, kPages = 64, kThere = 8 };
static sigjmp_buf back;
static volatile sig_atomic_t faults;
static void on_bus(int sig) {
    (void)sig;
    faults++;
    siglongjmp(back, 1);
}
// A small file system that takes what is stored where nothing was before from the room it has left (tmpfs takes it when it is
// read).
static void mount_small(const char* scratch) {
    char command[2 * PATH_MAX];
    int image = (int)CHECK_SYS(open("image", O_RDWR | O_CREAT | O_EXCL, 0600));
    CHECK_SYS(ftruncate(image, 2 << 20));
    CHECK_SYS(close(image));
    CHECK_SYS(mkdir("small", 0700));
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) test_skip("nothing can be mounted");
    snprintf(
        command, sizeof command,
        "exec >/dev/null 2>&1; PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -O ^has_journal image && mount -o loop image '%s/small'",
        scratch);
    if (system(command) != 0) test_skip("no file system of its own can be made");
}
static void fill_disk(void) {
    static char block[kPage];
    int fd = (int)CHECK_SYS(open("small/filler", O_WRONLY | O_CREAT | O_EXCL, 0600));
    while (write(fd, block, sizeof block) > 0) {
    }
    CHECK_EQ(errno, ENOSPC);
    CHECK_SYS(fsync(fd));
    CHECK_SYS(close(fd));
}
int main(void) {
    mount_small(enter_scratch());
    int fd = (int)CHECK_SYS(open("small/file", O_RDWR | O_CREAT | O_EXCL, 0600));
    CHECK_SYS(ftruncate(fd, kPages * kPage));
    volatile char* map = CHECK_MMAP(mmap(NULL, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    struct sigaction action = {.sa_handler = on_bus};
    CHECK_SYS(sigaction(SIGBUS, &action, NULL));
    for (int i = 0; i < kThere; i++) map[i * kPage] = (char)(i + 1);
    CHECK_SYS(msync((void*)map, kPages * kPage, MS_SYNC));
    fill_disk();
    MIGRATE_POINT();
    for (int i = 0; i < kThere; i++) {
        CHECK_EQ(map[i * kPage], i + 1);
        map[i * kPage] = (char)(i + 2);
    }
    CHECK(getppid() > 0);
    CHECK_EQ(faults, 0);
    if (sigsetjmp(back, 1) == 0) {
        for (int i = 0; i < kPages; i++) map[i * kPage] = (char)(i + 3);
        (void)raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0);
        FAIL("stores for which there is no room are made");
    }
    CHECK_EQ(faults, 1);
    char byte;
    for (int i = 0; i < kThere; i++) {
        CHECK_EQ(CHECK_SYS(pread(fd, &byte, 1, i * kPage)), 1);
        CHECK_EQ(byte, i + 3);
    }
    MIGRATE_POINT();
    CHECK_EQ(faults, 1);
    CHECK_SYS(munmap((void*)map, kPages * kPage));
    CHECK_SYS(close(fd));
    CHECK_SYS(umount2("small", MNT_DETACH));  // so that the scratch directory can be removed
    test_done();
}
