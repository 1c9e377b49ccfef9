#include "runtime/tracee/ptrace.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

#include "runtime/kernel/procfs.h"

namespace pmi {
namespace {

using Request = decltype(PTRACE_CONT);

template <typename R>
long call(R request, pid_t tid, unsigned long address, unsigned long data) {
    return ::ptrace(static_cast<Request>(request), tid, address, data);
}
template <typename P>
unsigned long ptr(P* p) {
    return reinterpret_cast<unsigned long>(p);
}

constexpr size_t kMaxXstate = 64 << 10;

}  // namespace

Stop classify(int s) {
    Stop stop{};
    stop.status = s;
    if (!WIFSTOPPED(s)) {
        stop.kind = Stop::Kind::Exited;
        return stop;
    }
    stop.signal = WSTOPSIG(s);
    stop.event = s >> 16;
    if (stop.event == 0)
        stop.kind = Stop::Kind::Signal;
    else if (stop.event == PTRACE_EVENT_STOP)
        stop.kind = stop.signal == SIGTRAP ? Stop::Kind::Interrupt : Stop::Kind::Group;
    else
        stop.kind = Stop::Kind::Event;
    return stop;
}

Status seize(pid_t tid, unsigned long options) {
    if (call(PTRACE_SEIZE, tid, 0, options) != 0) return fail_errno("attach to thread {}", tid);
    return {};
}
Status set_options(pid_t tid, unsigned long options) {
    if (call(PTRACE_SETOPTIONS, tid, 0, options) != 0) return fail_errno("set ptrace options of thread {}", tid);
    return {};
}
Status interrupt(pid_t tid) {
    if (call(PTRACE_INTERRUPT, tid, 0, 0) != 0) return fail_errno("interrupt thread {}", tid);
    return {};
}
Status resume(pid_t tid, int signal) {
    if (call(PTRACE_CONT, tid, 0, static_cast<unsigned long>(signal)) != 0) return fail_errno("resume thread {}", tid);
    return {};
}
Status resume_to_call(pid_t tid, int signal) {
    if (call(PTRACE_SYSCALL, tid, 0, static_cast<unsigned long>(signal)) != 0)
        return fail_errno("resume thread {} up to its call", tid);
    return {};
}
Status single_step(pid_t tid, int signal) {
    if (call(PTRACE_SINGLESTEP, tid, 0, static_cast<unsigned long>(signal)) != 0) return fail_errno("step thread {}", tid);
    return {};
}
Status listen_stopped(pid_t tid) {
    if (call(PTRACE_LISTEN, tid, 0, 0) != 0) return fail_errno("keep thread {} stopped", tid);
    return {};
}
Status detach(pid_t tid, int signal) {
    if (call(PTRACE_DETACH, tid, 0, static_cast<unsigned long>(signal)) != 0) return fail_errno("detach from thread {}", tid);
    return {};
}

Expected<Registers> get_registers(pid_t tid) {
    Registers r{};
    iovec iov{&r, sizeof r};
    if (call(PTRACE_GETREGSET, tid, NT_PRSTATUS, ptr(&iov)) != 0) return fail_errno("registers of thread {}", tid);
    if (iov.iov_len != sizeof r) return fail("thread {} is not a 64-bit task", tid);
    return r;
}
Status set_registers(pid_t tid, const Registers& registers) {
    Registers copy = registers;
    iovec iov{&copy, sizeof copy};
    if (call(PTRACE_SETREGSET, tid, NT_PRSTATUS, ptr(&iov)) != 0) return fail_errno("set registers of thread {}", tid);
    return {};
}

Expected<std::string> get_xstate(pid_t tid) {
    std::string bytes(kMaxXstate, '\0');
    iovec iov{bytes.data(), bytes.size()};
    if (call(PTRACE_GETREGSET, tid, NT_X86_XSTATE, ptr(&iov)) != 0) return fail_errno("xstate of thread {}", tid);
    bytes.resize(iov.iov_len);
    return bytes;
}
bool has_shadow_stack(pid_t tid) {
    constexpr uint64_t kShadowStack = 0x204;  // NT_X86_SHSTK
    uint64_t pointer = 0;
    iovec iov{&pointer, sizeof pointer};
    return call(PTRACE_GETREGSET, tid, kShadowStack, ptr(&iov)) == 0;
}
Status set_xstate(pid_t tid, const std::string& xstate) {
    std::string copy = xstate;
    iovec iov{copy.data(), copy.size()};
    if (call(PTRACE_SETREGSET, tid, NT_X86_XSTATE, ptr(&iov)) != 0) return fail_errno("set xstate of thread {}", tid);
    return {};
}

Expected<uint64_t> get_signal_mask(pid_t tid) {
    uint64_t mask = 0;
    if (call(PTRACE_GETSIGMASK, tid, sizeof mask, ptr(&mask)) != 0) return fail_errno("signal mask of thread {}", tid);
    return mask;
}
Status set_signal_mask(pid_t tid, uint64_t mask) {
    if (call(PTRACE_SETSIGMASK, tid, sizeof mask, ptr(&mask)) != 0) return fail_errno("set signal mask of thread {}", tid);
    return {};
}
Expected<siginfo_t> get_signal_info(pid_t tid) {
    siginfo_t info{};
    if (call(PTRACE_GETSIGINFO, tid, 0, ptr(&info)) != 0) return fail_errno("siginfo of thread {}", tid);
    return info;
}
Status set_signal_info(pid_t tid, const siginfo_t& info) {
    siginfo_t copy = info;
    if (call(PTRACE_SETSIGINFO, tid, 0, ptr(&copy)) != 0) return fail_errno("set siginfo of thread {}", tid);
    return {};
}

Expected<std::vector<siginfo_t>> peek_pending(pid_t tid, Pending which, size_t most) {
    std::vector<siginfo_t> all;
    std::array<siginfo_t, 64> some;
    for (;;) {
        __ptrace_peeksiginfo_args args{};
        args.off = all.size();
        args.flags = which == Pending::Process ? PTRACE_PEEKSIGINFO_SHARED : 0;
        args.nr = static_cast<int>(std::min(some.size(), most - all.size()));
        long n = call(PTRACE_PEEKSIGINFO, tid, ptr(&args), ptr(some.data()));
        if (n < 0) return fail_errno("pending signals of thread {}", tid);
        all.insert(all.end(), some.begin(), some.begin() + n);
        if (n < args.nr || all.size() == most) return all;
    }
}

bool trap_is_due(pid_t tid) {
    constexpr uint64_t kTrap = uint64_t{1} << (SIGTRAP - 1);
    constexpr size_t kFew = 64;  // more take longer than reading a file
    auto pending = peek_pending(tid, Pending::Thread, kFew);
    auto is_trap = [](const siginfo_t& info) { return info.si_signo == SIGTRAP; };
    if (!pending) return false;
    bool is_pending = std::any_of(pending->begin(), pending->end(), is_trap);
    if (!is_pending && pending->size() == kFew) {
        auto status = read_status(tid);
        is_pending = status && (status->sig_pending & kTrap) != 0;
    }
    if (!is_pending) return false;
    auto mask = get_signal_mask(tid);
    return mask && (*mask & kTrap) == 0;
}

Expected<bool> is_own_trap(pid_t tid, const Stop& stop) {
    if (stop.kind != Stop::Kind::Signal || stop.signal != SIGTRAP) return false;
    TRY_ASSIGN(siginfo_t info, get_signal_info(tid));
    return info.si_code > 0;
}

bool dispatches_own_calls(pid_t tid) {
    constexpr int kGetDispatch = 0x4211;  // PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
    struct {
        uint64_t mode, selector, offset, length;
    } c{};
    return call(kGetDispatch, tid, sizeof c, ptr(&c)) == 0 && c.mode != 0;
}

Expected<uint64_t> event_message(pid_t tid) {
    unsigned long message = 0;
    if (call(PTRACE_GETEVENTMSG, tid, 0, ptr(&message)) != 0) return fail_errno("event of thread {}", tid);
    return message;
}

Expected<RseqConfiguration> get_rseq(pid_t tid) {
    struct {
        uint64_t pointer;
        uint32_t size, signature, flags, pad;
    } c{};
    constexpr int kGetRseqConfiguration = 0x420f;  // PTRACE_GET_RSEQ_CONFIGURATION, Linux 5.13
    long n = call(kGetRseqConfiguration, tid, sizeof c, ptr(&c));
    if (n < 0) return fail_errno("rseq of thread {}", tid);
    return RseqConfiguration{c.pointer, c.size, c.signature};
}

}  // namespace pmi
