// A file mapped executable after a point, as dlopen does it: segments over a reservation, relocation by hand.
#include "pmi_test.h"
typedef int Function(int);
int main(void) {
    enter_scratch();
    int fd = (int)CHECK_SYS(open("code", O_RDWR | O_CREAT, 0700));
    unsigned char page[4096] = {0x8d, 0x47, 0x05, 0xc3};  // lea 5(%rdi),%eax; ret
    char data[4096] = "the data segment";
    write_all(fd, page, sizeof page);
    write_all(fd, data, sizeof data);
    MIGRATE_POINT();
    int image = (int)CHECK_SYS(open("code", O_RDONLY | O_CLOEXEC));
    char* base = CHECK_MMAP(mmap(NULL, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    void* text = mmap(base, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, image, 0);
    if (text == MAP_FAILED && errno == EPERM) test_skip("the scratch directory is mounted noexec");
    CHECK(text == base);
    CHECK(mmap(base + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, image, 4096) == base + 4096);
    CHECK_SYS(close(image));
    MIGRATE_POINT();
    CHECK_EQ(((Function*)(void*)base)(37), 42);
    CHECK_STR(base + 4096, "the data segment");
    base[4096] = 'T';
    CHECK_SYS(mprotect(base + 4096, 4096, PROT_READ));
    MIGRATE_POINT();
    CHECK_STR(base + 4096, "The data segment");
    CHECK_EQ(((Function*)(void*)base)(-5), 0);
    test_done();
}
