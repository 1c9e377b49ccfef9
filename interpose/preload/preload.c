/* What libpmi.so does when it is loaded, and its signal handler.
 *
 * At each exec of a dynamic program of a job it (a) lets the job's supervisor attach where the
 * Yama module asks for that, and (b) takes SIGRTMAX-1 and SIGRTMAX if nobody has: their handler passes the
 * wish on to the supervisor. A program that installs its own handlers later simply replaces these. It makes a
 * handful of system calls, opens nothing that stays open, and does nothing at all outside a job. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "cpu_clock.h"
#include "interrupted_call.h"
#include "raw.h"
#include "talk.h"

enum { SIGNAL_AWAY = 63, SIGNAL_HOME = 64 }; /* SIGRTMAX-1, SIGRTMAX: the same in every libc */

#define KERNEL_SA_RESTORER 0x04000000

struct kernel_sigaction { /* rt_sigaction(2) as the kernel takes it */
    void (*handler)(int, siginfo_t*, void*);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

void pmi_sigreturn(void) __attribute__((visibility("hidden")));
__asm__(
    ".text\n.align 16\n.hidden pmi_sigreturn\n.globl pmi_sigreturn\n.type pmi_sigreturn,@function\n"
    "pmi_sigreturn:\n"
    "    mov $15, %eax\n"
    "    syscall\n"
    ".size pmi_sigreturn, .-pmi_sigreturn\n");

/* Raw system calls leave errno alone. A supervisor that is gone is no business of the program's. */
static void on_steering_signal(int signal, siginfo_t* info, void* context) {
    (void)info;
    post("steer", signal == SIGNAL_HOME ? "\"want\":\"home\"" : "\"want\":\"away\"");
    resume_interrupted_call(context);
}

static void take_signal(int signal) {
    struct kernel_sigaction old,
        mine = {on_steering_signal, SA_SIGINFO | SA_RESTART | SA_ONSTACK | KERNEL_SA_RESTORER, pmi_sigreturn, ~0ULL};
    if (RAW(SYS_rt_sigaction, signal, 0, &old, sizeof mine.mask, 0, 0) != 0 || old.handler != NULL /* SIG_DFL */) return;
    RAW(SYS_rt_sigaction, signal, &mine, 0, sizeof mine.mask, 0, 0);
}

/* 1: only descendants, and whom PR_SET_PTRACER names, may attach. 0: nothing to do. */
static int yama_asks(void) {
    char scope = '0';
    int fd = (int)RAW(SYS_openat, AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0) return 0;
    RAW(SYS_read, fd, &scope, 1, 0, 0, 0);
    RAW(SYS_close, fd, 0, 0, 0, 0, 0);
    return scope == '1';
}

/* The supervisor is who called listen(2) on the control socket; it keeps its PID for the job's life. */
static void let_supervisor_attach(void) {
    struct {
        int32_t pid;
        uint32_t uid, gid;
    } peer = {0, 0, 0};
    uint32_t size = sizeof peer;
    int fd = connect_to_supervisor();
    if (fd < 0) return;
    if (RAW(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size, 0) == 0 && peer.pid > 0)
        RAW(SYS_prctl, PR_SET_PTRACER, peer.pid, 0, 0, 0, 0);
    RAW(SYS_close, fd, 0, 0, 0, 0, 0);
}

static const char* value_in(char** envp, const char* name) {
    for (; envp && *envp; envp++)
        if (begins_with(*envp, name)) return *envp + length_of(name);
    return NULL;
}

/* What came for the program since pmirun began has waited (runtime/pmirun/held_signals.h). Nobody else is to see the note. */
static void let_held_signals_come(char** envp) {
    static const char name[] = "PMI_HELD=";
    for (; envp && *envp; envp++) {
        if (!begins_with(*envp, name)) continue;
        uint64_t held = (uint64_t)((*envp)[sizeof name - 1] - '0') & 3;
        uint64_t mask = held << (SIGNAL_AWAY - 1);
        for (; *envp; envp++) envp[0] = envp[1];
        RAW(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, 0, sizeof mask, 0, 0);
        return;
    }
}

/* glibc hands main's arguments to initialisers, but has not set environ yet if this library comes first (it
 * depends on nothing, so it does); musl has set environ, and hands over nothing. */
extern char** environ __attribute__((weak));

/* DT_INIT, not a constructor: its address needs no relocation, which would be one more page that is written to. */
__attribute__((visibility("hidden"))) void pmi_start(int argc, char** argv, char** envp) {
    (void)argc, (void)argv;
    if (!has_glibc()) envp = &environ ? environ : NULL;
    find_next_clocks(envp);
    const char* job = value_in(envp, "PMI_JOB=");
    if (!job || *job != '/') return let_held_signals_come(envp);
    set_control_path(job);
    /* pmirun has looked whether this kernel has Yama: to open a file that is not there takes longer than all of this. */
    if (value_in(envp, "PMI_YAMA=") && yama_asks()) let_supervisor_attach();
    take_signal(SIGNAL_AWAY);
    take_signal(SIGNAL_HOME);
    let_held_signals_come(envp);
}
