// mprotect, mremap, msync and the end of the file, for shared maps of a file.
#include "pmi_test.h"
#include <setjmp.h>
enum { PAGE = 4096 };
static sigjmp_buf out;
static volatile int code;
static void on_fault(int sig, siginfo_t* info, void* context) {
    (void)sig, (void)context;
    code = info->si_code;
    siglongjmp(out, 1);
}
// Reads (or writes) a byte; gives the si_code of the fault, 0 for none.
static int touch(volatile char* at, bool write) {
    code = 0;
    if (sigsetjmp(out, 1) == 0) {
        char byte = *at;
        if (write) *at = byte;
    }
    return code;
}
static char in_file(int fd, long at) {
    char byte = 0;
    CHECK_EQ(pread(fd, &byte, 1, at), 1);
    return byte;
}
int main(void) {
    enter_scratch();
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK_SYS(sigaction(SIGBUS, &action, NULL));
    CHECK_SYS(sigaction(SIGSEGV, &action, NULL));
    for (int round = 0; round < 2; round++) {
        int fd = (int)CHECK_SYS(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
        for (int i = 0; i < 8; i++) CHECK_EQ(pwrite(fd, &"01234567"[i], 1, i * PAGE), 1);
        CHECK_SYS(ftruncate(fd, 7 * PAGE + 5));
        int reader = (int)CHECK_SYS(open("file", O_RDONLY));
        if (round == 1) MIGRATE_POINT();  // made away
        char* p = CHECK_MMAP(mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        char* q = CHECK_MMAP(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, reader, 0));
        if (round == 0) MIGRATE_POINT();
        for (int i = 0; i < 8; i++) CHECK_EQ(p[i * PAGE], '0' + i);
        CHECK_EQ(touch(p + 7 * PAGE + 4000, true), 0);
        CHECK_EQ(touch(p + 8 * PAGE, false), BUS_ADRERR);
        CHECK_EQ(touch(p + 9 * PAGE, true), BUS_ADRERR);
        CHECK_ERRNO(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
        CHECK_EQ(touch(q, true), SEGV_ACCERR);
        MIGRATE_POINT();
        CHECK_ERRNO(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
        p[1] = 'a';
        CHECK_SYS(mprotect(p, PAGE, PROT_READ));
        CHECK_EQ(touch(p, true), SEGV_ACCERR);
        CHECK_EQ(in_file(fd, 1), 'a');
        p[PAGE + 1] = 'b';
        CHECK_SYS(mprotect(p + PAGE, PAGE, PROT_NONE));
        MIGRATE_POINT();
        CHECK_EQ(in_file(fd, PAGE + 1), 'b');
        CHECK_EQ(touch(p + PAGE, false), SEGV_ACCERR);
        CHECK_EQ(touch(p, true), SEGV_ACCERR);
        CHECK_EQ(q[1], 'a');
        CHECK_EQ(q[PAGE + 1], 'b');
        CHECK_SYS(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
        p[2] = 'c';
        MIGRATE_POINT();
        // Grown over more of the file; moved; shrunk; a second one of the same.
        q = CHECK_MMAP(mremap(q, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE));
        for (int i = 0; i < 5; i++) CHECK_EQ(q[i * PAGE], '0' + i);
        CHECK_EQ(q[2], 'c');
        MIGRATE_POINT();
        q = CHECK_MMAP(mremap(q, 5 * PAGE, 3 * PAGE, 0));
        char* place = CHECK_MMAP(mmap(NULL, 10 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        p = CHECK_MMAP(mremap(p, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
        p[PAGE + 2] = 'd';
        CHECK_EQ(q[PAGE + 2], 'd');
        MIGRATE_POINT();
        p[2 * PAGE + 2] = 'e';
        CHECK_EQ(q[PAGE + 2], 'd');
        CHECK_EQ(q[2 * PAGE + 2], 'e');
        CHECK_EQ(in_file(fd, 2 * PAGE + 2), 'e');
        CHECK_ERRNO(msync(place + 11 * PAGE, 0x7000000000, MS_SYNC), ENOMEM);
        CHECK_SYS(munmap(p + 2 * PAGE, PAGE));
        CHECK_EQ(in_file(fd, 2 * PAGE + 2), 'e');
        CHECK_EQ(touch(p + 2 * PAGE, false), SEGV_MAPERR);
        MIGRATE_POINT();
        CHECK_EQ(touch(p + 2 * PAGE, false), SEGV_MAPERR);
        CHECK_SYS(ftruncate(fd, PAGE));
        CHECK_EQ(touch(p + PAGE, false), BUS_ADRERR);
        MIGRATE_POINT();
        CHECK_EQ(touch(p + PAGE, false), BUS_ADRERR);
        CHECK_EQ(p[2], 'c');
        // A private map that grows shows more of its file too.
        char* own = CHECK_MMAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, (int)CHECK_SYS(open("/proc/self/exe", O_RDONLY)), 0));
        char* grown = CHECK_MMAP(mremap(own, PAGE, 3 * PAGE, MREMAP_MAYMOVE));
        char text[16];
        int exe = (int)CHECK_SYS(open("/proc/self/exe", O_RDONLY));
        CHECK_EQ(pread(exe, text, sizeof text, 2 * PAGE), sizeof text);
        CHECK(memcmp(grown + 2 * PAGE, text, sizeof text) == 0);
        CHECK_SYS(munmap(grown, 3 * PAGE));
        CHECK_SYS(munmap(p, 10 * PAGE));
        CHECK_SYS(munmap(q, 3 * PAGE));
        MIGRATE_POINT();
    }
    test_done();
}
