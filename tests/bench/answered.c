// answered WAY: nanoseconds that a getpid takes that is answered without the kernel's getpid, in ways other tools use: a
// trampoline at address 0, to which patched code jumps by the call's number (zpoline, USENIX ATC 2023); SIGSYS from a seccomp filter
// (SECCOMP_RET_TRAP); a tracer (PTRACE_SYSEMU). The median of chunks is printed, "-" where the way is not permitted.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "clock.h"

enum { CHUNKS = 11, ANSWER = 424242, NUMBERS = 512 };

// What a C library's wrapper does. Its syscall is two bytes long, as is the call of %rax that takes its place.
long ask_getpid(void);
extern unsigned char site[];
__asm__(
    ".text\n.p2align 12\n.globl ask_getpid, site\nask_getpid:\n  mov $39, %eax\nsite:\n  syscall\n  ret\n.p2align 12\n");

static void expect(long answer) {
    if (answer == ANSWER) return;
    fprintf(stderr, "bench: a getpid was not answered\n");
    exit(1);
}

static double ns_a_call(long turns) {
    int64_t chunks[CHUNKS];
    for (int c = -1; c < CHUNKS; c++) {  // the first warms up
        int64_t began = now_ns();
        for (long i = 0; i < turns; i++) expect(ask_getpid());
        if (c >= 0) chunks[c] = now_ns() - began;
    }
    return (double)quantile(chunks, CHUNKS, 0.5) / (double)turns;
}

__attribute__((noreturn)) static void not_permitted(void) {
    printf("-\n");
    exit(0);
}

// A slide of nops from each number to the code behind them.
static void begin_zpoline(void) {
    static const unsigned char code[] = {0xb8, ANSWER & 0xff, ANSWER >> 8 & 0xff, ANSWER >> 16 & 0xff, 0, 0xc3};  // mov, ret
    unsigned char* zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zero == MAP_FAILED) not_permitted();
    unsigned char* volatile page = zero;  // the compiler knows better than to write to address 0
    for (int i = 0; i < NUMBERS; i++) page[i] = 0x90;
    for (size_t i = 0; i < sizeof code; i++) page[NUMBERS + i] = code[i];
    MUST(mprotect(zero, 4096, PROT_READ | PROT_EXEC));
    void* text = (void*)((uintptr_t)site & ~(uintptr_t)4095);
    MUST(mprotect(text, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    site[0] = 0xff, site[1] = 0xd0;
    MUST(mprotect(text, 4096, PROT_READ | PROT_EXEC));
}

static void on_sigsys(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    ((ucontext_t*)context)->uc_mcontext.gregs[REG_RAX] = ANSWER;
}
static void begin_trap(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGSYS, &action, NULL));
    struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

// All other calls are let run: the tracer takes them over again from the same stop.
static void trace(pid_t child) {
    int status;
    for (int request = PTRACE_SYSEMU;;) {
        MUST(ptrace((enum __ptrace_request)request, child, 0, 0));
        MUST(waitpid(child, &status, 0));
        if (WIFEXITED(status)) exit(WEXITSTATUS(status));
        if (!WIFSTOPPED(status)) exit(1);
        struct user_regs_struct r;
        MUST(ptrace(PTRACE_GETREGS, child, 0, &r));
        request = PTRACE_SYSEMU;
        if (r.orig_rax == SYS_getpid) {
            r.rax = ANSWER;
        } else {
            r.rip -= 2, r.rax = r.orig_rax;
            request = PTRACE_SYSCALL;
        }
        MUST(ptrace(PTRACE_SETREGS, child, 0, &r));
        if (request == PTRACE_SYSEMU) continue;
        for (int stops = 0; stops < 2; stops++) {
            MUST(ptrace(PTRACE_SYSCALL, child, 0, 0));
            MUST(waitpid(child, &status, 0));
            if (WIFEXITED(status)) exit(WEXITSTATUS(status));
        }
        request = PTRACE_SYSEMU;
    }
}
static void begin_ptrace(void) {
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        MUST(raise(SIGSTOP));
        return;
    }
    int status;
    MUST(waitpid(child, &status, 0));
    trace(child);
}

static const struct way {
    const char* name;
    long turns;  // a chunk
    void (*begin)(void);
} ways[] = {{"zpoline", 1000000, begin_zpoline}, {"trap", 20000, begin_trap}, {"ptrace", 2000, begin_ptrace}};

int main(int argc, char** argv) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (argc != 2 || strcmp(argv[1], ways[i].name) != 0) continue;
        ways[i].begin();
        printf("%.3f\n", ns_a_call(ways[i].turns));
        return 0;
    }
    fprintf(stderr, "usage: answered zpoline|trap|ptrace\n");
    return 2;
}
