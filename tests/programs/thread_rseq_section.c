// Restartable sequences (rseq(2)): one that was left is never gone on with. Threads count in memory of their CPU; nothing is lost.
#include "pmi_test.h"
#include <sys/rseq.h>

enum { THREADS = 4, CPUS = 512 };
static volatile long counts[CPUS];
static _Atomic long done;
static _Atomic bool is_over;

// A load, some time, a store; false: it was interrupted, or runs on another CPU by now.
static bool add_one(struct rseq* area, volatile long* count, int cpu) {
    int ok = 0;
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n"
        ".balign 32\n"
        "3: .long 0, 0\n"
        ".quad 1f, 2f - 1f, 4f\n"
        ".popsection\n"
        "leaq 3b(%%rip), %%rax\n"
        "movq %%rax, 8(%[area])\n"
        "1: cmpl %[cpu], 4(%[area])\n"
        "jne 4f\n"
        "movq (%[count]), %%rcx\n"
        "movl $20000, %%edx\n"
        "5: decl %%edx\n"
        "jnz 5b\n"
        "incq %%rcx\n"
        "movq %%rcx, (%[count])\n"
        "2: movl $1, %[ok]\n"
        "6:\n"
        ".pushsection __rseq_failure, \"ax\"\n"
        ".byte 0x0f, 0xb9, 0x3d\n"
        ".long 0x53053053\n"
        "4: jmp 6b\n"
        ".popsection\n"
        : [ok] "+r"(ok)
        : [area] "r"(area), [count] "r"(count), [cpu] "r"(cpu)
        : "rax", "rcx", "rdx", "memory", "cc");
    return ok != 0;
}

static void* work(void* unused) {
    struct rseq* area = (void*)((char*)__builtin_thread_pointer() + __rseq_offset);
    long counted = 0;
    while (!is_over) {
        int cpu = *(volatile int*)&area->cpu_id_start;
        CHECK(cpu >= 0 && cpu < CPUS);
        if (add_one(area, counts + cpu, cpu)) counted++;
    }
    done += counted;
    return unused;
}

int main(void) {
    if (__rseq_size == 0) test_skip("no rseq");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_create(&threads[i], NULL, work, NULL));
    for (int i = 0; i < 10; i++) {
        MIGRATE_POINT();
        usleep(20000);
    }
    is_over = true;
    for (int i = 0; i < THREADS; i++) CHECK_ZERO(pthread_join(threads[i], NULL));
    long sum = 0;
    for (int i = 0; i < CPUS; i++) sum += counts[i];
    CHECK_EQ(sum, done);
    test_done();
}
