// A thread whose stack is in the middle of memory that is advised to be of huge pages: all that is around it is there after a move,
// also where it comes later than the stack.
#include "pmi_test.h"
enum { PAGE = 4096, HUGE = 2 << 20, SIZE = 3 * HUGE, STACK_AT = HUGE + HUGE / 4, STACK = HUGE / 4 };

static int go_pipe[2];
static char* memory;

static void* wait_on_it(void* unused) {
    char on_it[3 * PAGE], byte;
    memset(on_it, 's', sizeof on_it);
    while (read(go_pipe[0], &byte, 1) == -1 && errno == EINTR) {
    }
    for (size_t i = 0; i < sizeof on_it; i++) CHECK_EQ(on_it[i], 's');
    return unused;
}

static int is_stack(int page) { return page * PAGE >= STACK_AT && page * PAGE < STACK_AT + STACK; }
static void check_around(int round) {
    for (int i = 0; i < SIZE / PAGE; i++)
        if (!is_stack(i)) CHECK_EQ(*(int*)(memory + i * PAGE), round * 100000 + i);
}

int main(void) {
    char* room = CHECK_MMAP(mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memory = (char*)(((unsigned long)room + HUGE - 1) & ~(HUGE - 1UL));
    CHECK(madvise(memory, SIZE, MADV_HUGEPAGE) == 0 || errno == EINVAL);  // a kernel without them
    CHECK_SYS(pipe(go_pipe));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SIZE / PAGE; i++)
            if (!is_stack(i)) *(int*)(memory + i * PAGE) = round * 100000 + i;
        pthread_attr_t attributes;
        CHECK_ZERO(pthread_attr_init(&attributes));
        CHECK_ZERO(pthread_attr_setstack(&attributes, memory + STACK_AT, STACK));
        pthread_t thread;
        CHECK_ZERO(pthread_create(&thread, &attributes, wait_on_it, NULL));
        MIGRATE_POINT();
        check_around(round);
        CHECK_EQ(write(go_pipe[1], "g", 1), 1);
        CHECK_ZERO(pthread_join(thread, NULL));
        MIGRATE_POINT();
        check_around(round);
        CHECK_SYS(madvise(memory, SIZE, MADV_DONTNEED));
    }
    test_done();
}
