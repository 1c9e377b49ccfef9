// makecontext and swapcontext: three coroutines on their own stacks go on over points.
#include "pmi_test.h"
#include <ucontext.h>
enum { SIZE = 1 << 17 };
static ucontext_t main_context, contexts[3];
static int counts[3];
static void coroutine(int index) {
    volatile int local = index * 1000;
    for (volatile int i = 0; i < 50; i++) {
        local++;
        counts[index] = local;
        if (i == 10 * (index + 1)) MIGRATE_POINT();
        CHECK_SYS(swapcontext(&contexts[index], &main_context));
    }
}
int main(void) {
    for (volatile int i = 0; i < 3; i++) {
        CHECK_SYS(getcontext(&contexts[i]));
        contexts[i].uc_stack.ss_sp = malloc(SIZE);
        contexts[i].uc_stack.ss_size = SIZE;
        contexts[i].uc_link = &main_context;
        makecontext(&contexts[i], (void (*)(void))(void*)coroutine, 1, (int)i);
    }
    for (int round = 1; round <= 50; round++) {
        for (int i = 0; i < 3; i++) {
            CHECK_SYS(swapcontext(&main_context, &contexts[i]));
            CHECK_EQ(counts[i], i * 1000 + round);
        }
        if (round % 20 == 0) MIGRATE_POINT();
    }
    test_done();
}
