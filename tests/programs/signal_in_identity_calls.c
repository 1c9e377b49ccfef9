// Signals that come in the middle of calls that pmi may let the program's own code answer: what the handler sees of the interrupted
// thread is the program's, and a handler that goes on elsewhere by siglongjmp, or moves, does no harm.
#include "pmi_test.h"

#include <setjmp.h>
#include <ucontext.h>

enum { MAX_CODE = 64 };

static struct { uintptr_t start, end; } code[MAX_CODE];
static int code_count;
static volatile sig_atomic_t signals, jump_wanted;
static sigjmp_buf jump_to;

static void read_code(void) {
    FILE* maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512], rights[5];
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 && rights[2] == 'x' && code_count < MAX_CODE) {
            code[code_count].start = start;
            code[code_count++].end = end;
        }
    }
    fclose(maps);
}

static void handler(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    uintptr_t at = (uintptr_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP];
    bool is_known = false;
    for (int i = 0; i < code_count; i++) is_known |= at >= code[i].start && at < code[i].end;
    if (!is_known) FAIL("interrupted at %#lx, where the program has no code", (unsigned long)at);
    signals++;
    if (jump_wanted) {
        jump_wanted = 0;
        siglongjmp(jump_to, 1);
    }
}

static void ask_until(int wanted) {
    uid_t uid = (uid_t)syscall(SYS_getuid);
    pid_t group = (pid_t)syscall(SYS_getpgrp);
    while (signals < wanted)
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(getuid(), uid);
            CHECK_EQ(getpgrp(), group);
        }
}

static void* send_signals(void* thread) {
    while (signals < 700) {
        CHECK_ZERO(pthread_kill(*(pthread_t*)thread, SIGUSR1));
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(void) {
    read_code();
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
    CHECK_SYS(sigaction(SIGVTALRM, &action, NULL));
    MIGRATE_POINT();
    // CPU time: it interrupts what runs, wherever that is. (No divisor of a tick: with nothing left, getitimer can't be told from
    // "off".)
    struct itimerval often = {{0, 1003}, {0, 1003}};
    CHECK_SYS(setitimer(ITIMER_VIRTUAL, &often, NULL));
    ask_until(20);
    MIGRATE_POINT();
    ask_until(signals + 20);
    MIGRATE_POINT();
    for (volatile int i = 0; i < 5; i++) {
        if (sigsetjmp(jump_to, 1) == 0) jump_wanted = 1;
        ask_until(signals + 3);
    }
    often = (struct itimerval){{0, 0}, {0, 0}};
    CHECK_SYS(setitimer(ITIMER_VIRTUAL, &often, NULL));
    jump_wanted = 0;
    pthread_t self = pthread_self(), sender;
    signals = 500;
    CHECK_ZERO(pthread_create(&sender, NULL, send_signals, &self));
    ask_until(600);
    MIGRATE_POINT();
    ask_until(700);
    CHECK_ZERO(pthread_join(sender, NULL));
    test_done();
}
