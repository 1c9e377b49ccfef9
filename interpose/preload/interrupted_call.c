/* A signal's handler ends some system calls for good, SA_RESTART or not (signal(7)): sleeps, poll, epoll_wait, pause,
 * semop... The steering signals are no business of the program's, so their handler has these go on:
 *
 *   - A call whose deadline the kernel still has (nanosleep, poll, futex with a relative timeout): restart_syscall(2) from
 *     within the handler, with the program's own signal mask. rt_sigreturn would forget the deadline, and any handler that runs
 *     meanwhile does, so that such a one ends the call with EINTR, as it should.
 *   - Others are made again: the program counter goes back to the instruction. For the program that is as if the signal had
 *     come just before the call. What select and ppoll have left of their timeout is in memory; others (epoll_wait,
 *     sigtimedwait, semtimedop) wait for all of it anew: nothing says when they began, unless they have been made again before
 *     (timeout_cells.h).
 *   - The rest of a write or send that was cut short is written here.
 *
 * Which call it was has left the registers (rax has its result): it stands before the `syscall` instruction, in the C libraries'
 * ways of making one. Where it doesn't (syscall(2)), the program sees the interruption. */
#include "interrupted_call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "raw.h"
#include "timeout_cells.h"

#define STRING(x) #x
#define VALUE(x) STRING(x)
#define NSEC_PER_SEC 1000000000LL

/* Volatile: what else writes it is out of the compiler's sight. */
volatile struct pmi_timeout_cell pmi_timeout_cells[PMI_TIMEOUT_CELLS]
    __attribute__((visibility("hidden"), section(".written_by_moves")));

__asm__(
    ".pushsection .note.pmi, \"a\", @note\n"
    ".balign 4\n"
    ".long 4, 8, " VALUE(PMI_TIMEOUT_NOTE) "\n"
    ".asciz \"PMI\"\n"
    ".quad pmi_timeout_cells - .\n"
    ".popsection\n");

enum {
    SYSCALL_SIZE = 2,
    LOOK_BACK = 12,       /* bytes before the instruction that are looked at */
    ROOM_ON_STACK = 16384 /* for the program's handlers, while a call waits within ours */
};

static greg_t* reg(ucontext_t* context, int which) { return &context->uc_mcontext.gregs[which]; }

/* ---- which call it was */

/* copy_from_user is done before the first argument, which is a wrong one, is looked at. */
static int is_readable(const void* at) { return RAW(SYS_rt_sigprocmask, -1, at, 0, sizeof(uint64_t), 0, 0) != -EFAULT; }

/* mov $number, %eax (b8 ...); with REX.B before it, it would be another register. */
static long number_in(const unsigned char* mov) {
    int is_eax = mov[0] == 0xb8 && (mov[-1] & 0xf1) != 0x41;
    return is_eax && mov[3] == 0 && mov[4] == 0 ? mov[1] | mov[2] << 8 : -1;
}

/* Between the two there may be one load of an argument from the stack, into %edi or %rdi. */
static long call_before(const unsigned char* behind) {
    const unsigned char* at = behind - SYSCALL_SIZE;
    if (!is_readable(at - LOOK_BACK) || !is_readable(behind - sizeof(uint64_t))) return -1;
    if (at[0] != 0x0f || at[1] != 0x05) return -1;
    long number = number_in(at - 5);
    int is_load = at[-4] == 0x8b && at[-3] == 0x7c && at[-2] == 0x24;
    if (number < 0 && is_load) number = number_in(at - 9);
    if (number < 0 && is_load && at[-5] == 0x48) number = number_in(at - 10);
    return number;
}

/* ---- going on */

/* Calls made from here have to be recognised in their turn. */
#define CALL_HERE(number, a, b, c, d, e, f)                                                                           \
    ({                                                                                                                \
        long result_;                                                                                                 \
        register long r10_ __asm__("r10") = (long)(d);                                                                \
        register long r8_ __asm__("r8") = (long)(e);                                                                  \
        register long r9_ __asm__("r9") = (long)(f);                                                                  \
        __asm__ volatile("mov %1, %%eax\n\tsyscall"                                                                   \
                         : "=&a"(result_)                                                                             \
                         : "i"(number), "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), "r"(r10_), "r"(r8_), "r"(r9_) \
                         : "rcx", "r11", "memory");                                                                   \
        result_;                                                                                                      \
    })

static void unblock(const ucontext_t* context) {
    RAW(SYS_rt_sigprocmask, SIG_SETMASK, &context->uc_sigmask, 0, sizeof(uint64_t), 0, 0);
}

/* On an alternate stack the program's own handlers may need what there is. */
static int has_room(const ucontext_t* context) {
    const stack_t* stack = &context->uc_stack;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), bottom = (uintptr_t)stack->ss_sp;
    int is_on_it = here >= bottom && here - bottom < stack->ss_size;
    return (stack->ss_flags & SS_DISABLE) || !is_on_it || here - bottom >= ROOM_ON_STACK;
}

/* Signals that came while all were blocked end the call, as they would have. */
static int other_signal_is_due(const ucontext_t* context) {
    uint64_t pending = 0, blocked;
    __builtin_memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
    RAW(SYS_rt_sigpending, &pending, sizeof pending, 0, 0, 0, 0);
    return (pending & ~blocked & ~(3ULL << (63 - 1))) != 0;
}

/* If its timeout is kept here, it has to end when it had to. */
static void shorten_timeout(ucontext_t* context) {
    int32_t tid = (int32_t)RAW(SYS_gettid, 0, 0, 0, 0, 0, 0);
    volatile struct pmi_timeout_cell* cell = &pmi_timeout_cells[tid % PMI_TIMEOUT_CELLS];
    greg_t kept = (greg_t)(uintptr_t)&cell->left;
    int is_used = *reg(context, REG_RDX) == kept || *reg(context, REG_R10) == kept || *reg(context, REG_R8) == kept;
    struct timespec now;
    if (cell->tid != tid || !is_used || RAW(SYS_clock_gettime, CLOCK_MONOTONIC, &now, 0, 0, 0, 0) != 0) return;
    int64_t left = cell->deadline_ns - (now.tv_sec * NSEC_PER_SEC + now.tv_nsec);
    if (left < 0) left = 0;
    cell->left.sec = left / NSEC_PER_SEC;
    cell->left.nsec = left % NSEC_PER_SEC;
}

static void make_again(ucontext_t* context, long number) {
    if (other_signal_is_due(context)) return;
    shorten_timeout(context);
    *reg(context, REG_RAX) = number;
    *reg(context, REG_RIP) -= SYSCALL_SIZE;
}

static void go_on_to_deadline(ucontext_t* context) {
    if (!has_room(context)) return;
    unblock(context);
    *reg(context, REG_RAX) = CALL_HERE(SYS_restart_syscall, 0, 0, 0, 0, 0, 0);
}

static int is_absolute(ucontext_t* context) { return (*reg(context, REG_RSI) & TIMER_ABSTIME) != 0; }

static void after_eintr(ucontext_t* context, long number) {
    switch (number) {
        case SYS_nanosleep:
        case SYS_poll:
        case SYS_futex:
        case SYS_restart_syscall: go_on_to_deadline(context); break;
        case SYS_clock_nanosleep:
            if (is_absolute(context))
                make_again(context, number);
            else
                go_on_to_deadline(context);
            break;
        case SYS_close: /* it has closed */ break;
        default: make_again(context, number);
    }
}

/* Only a blocking write to one of these is cut short by a signal. */
static int is_cut_short(int fd, int flags) {
    struct stat st;
    long status = RAW(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    if (status < 0 || (status & O_NONBLOCK) || (flags & MSG_DONTWAIT)) return 0;
    if (RAW(SYS_fstat, fd, &st, 0, 0, 0, 0) != 0) return 0;
    return S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode);
}

static void after_part(ucontext_t* context, long number) {
    int fd = (int)*reg(context, REG_RDI), flags = number == SYS_sendto ? (int)*reg(context, REG_R10) : 0;
    const char* from = (const char*)*reg(context, REG_RSI);
    long done = *reg(context, REG_RAX), all = *reg(context, REG_RDX), more;
    if (number != SYS_write && number != SYS_sendto) return;
    if (done >= all || !is_cut_short(fd, flags) || !has_room(context) || other_signal_is_due(context)) return;
    unblock(context);
    if (number == SYS_write)
        more = CALL_HERE(SYS_write, fd, from + done, all - done, 0, 0, 0);
    else
        more = CALL_HERE(SYS_sendto, fd, from + done, all - done, flags, *reg(context, REG_R8), *reg(context, REG_R9));
    if (more > 0) *reg(context, REG_RAX) = done + more;
}

void resume_interrupted_call(ucontext_t* context) {
    long result = *reg(context, REG_RAX);
    if (result != -EINTR && result <= 0) return;
    long number = call_before((const unsigned char*)*reg(context, REG_RIP));
    if (number < 0) return;
    if (result > 0)
        after_part(context, number);
    else
        after_eintr(context, number);
}
