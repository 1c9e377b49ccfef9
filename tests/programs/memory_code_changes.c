// Code that makes system calls often, and is changed, copied and looked at by its own program: code of the program's file, code of
// another file, and code that the program has made.
#include "pmi_test.h"

enum { OFTEN = 60, NUMBER_AT = 1, SIZE = 8 };

// mov eax, 102 (getuid); syscall; ret. Aligned and surrounded as compilers do it.
__asm__(
    ".text\n"
    ".globl own_call, own_call_end\n"
    ".skip 128, 0x90\n"
    ".balign 16\n"
    "own_call: mov $102, %eax\n"
    "syscall\n"
    "ret\n"
    "own_call_end: .skip 128, 0x90\n");
extern unsigned char own_call[];
static const unsigned char original[SIZE] = {0xb8, 102, 0, 0, 0, 0x0f, 0x05, 0xc3};

typedef long call_function(void);

static void call_often(void* code, long expected) {
    for (int i = 0; i < OFTEN; i++) CHECK_EQ(((call_function*)code)(), expected);
}

static void set_protection(void* code, int protection) {
    uintptr_t first = (uintptr_t)code & ~4095UL, last = ((uintptr_t)code + SIZE - 1) & ~4095UL;
    CHECK_SYS(mprotect((void*)first, last - first + 4096, protection));
}

static void set_number(void* code, int nr) { memcpy((unsigned char*)code + NUMBER_AT, &nr, sizeof nr); }

// As those do it that change code while it is in use: it stays executable.
static void change_and_call(void* code) {
    call_often(code, getuid());
    set_protection(code, PROT_READ | PROT_WRITE | PROT_EXEC);
    CHECK(memcmp(code, original, SIZE) == 0);
    set_number(code, SYS_getppid);
    set_protection(code, PROT_READ | PROT_EXEC);
    call_often(code, getppid());
    MIGRATE_POINT();
    call_often(code, getppid());
    set_protection(code, PROT_READ | PROT_WRITE | PROT_EXEC);
    set_number(code, SYS_getuid);
    call_often(code, getuid());
    set_protection(code, PROT_READ | PROT_EXEC);
    call_often(code, getuid());
}

int main(void) {
    enter_scratch();
    call_often(own_call, getuid());
    MIGRATE_POINT();
    call_often(own_call, getuid());

    // A file's code, away from the first byte on.
    unsigned char page[4096];
    memset(page, 0x90, sizeof page);
    memcpy(page + 512, original, SIZE);
    int fd = (int)CHECK_SYS(open("code", O_RDWR | O_CREAT | O_EXCL, 0700));
    write_all(fd, (char*)page, sizeof page);
    unsigned char* mapped = CHECK_MMAP(mmap(NULL, sizeof page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    call_often(mapped + 512, getuid());
    MIGRATE_POINT();
    call_often(mapped + 512, getuid());
    // Another file's code where that was.
    memcpy(page + 512 + NUMBER_AT, &(int){SYS_getppid}, sizeof(int));
    int other = (int)CHECK_SYS(open("other", O_RDWR | O_CREAT | O_EXCL, 0700));
    write_all(other, (char*)page, sizeof page);
    CHECK(CHECK_MMAP(mmap(mapped, sizeof page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, other, 0)) == mapped);
    call_often(mapped + 512, getppid());
    MIGRATE_POINT();
    call_often(mapped + 512, getppid());

    // Made by the program.
    unsigned char* made = CHECK_MMAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(made, 0x90, 4096);
    memcpy(made + 512, original, SIZE);
    call_often(made + 512, getuid());
    MIGRATE_POINT();
    call_often(made + 512, getuid());
    set_number(made + 512, SYS_getppid);
    call_often(made + 512, getppid());

    MIGRATE_POINT();
    change_and_call(own_call);
    MIGRATE_POINT();
    change_and_call(own_call);
    unsigned char* third = CHECK_MMAP(mmap(NULL, sizeof page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    change_and_call(third + 512);
    MIGRATE_POINT();
    change_and_call(third + 512);
    test_done();
}
