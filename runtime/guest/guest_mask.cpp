// Signal masks. The deputy blocks what the guest blocks, so that a blocked signal stays pending at home, where
// signalfd, sigpending and sigtimedwait look for it. A handler's own mask is the exception: the guest's kernel sets it
// and takes it back, and home is told only where the two differ when the handler returns.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr uint64_t kNeverBlocked = uint64_t{1} << (SIGKILL - 1) | uint64_t{1} << (SIGSTOP - 1);
// struct ucontext of x86-64; in struct rt_sigframe it stands behind the return address.
constexpr uint64_t kMaskInContext = 40 + 256;

uint64_t changed_mask(uint64_t mask, int how, uint64_t set) {
    if (how == SIG_BLOCK) return mask | (set & ~kNeverBlocked);
    if (how == SIG_UNBLOCK) return mask & ~set;
    return set & ~kNeverBlocked;
}

Flattened set_mask_call(uint64_t mask) {
    Flattened f;
    f.call.nr = SYS_rt_sigprocmask;
    f.call.args = {SIG_SETMASK, 0, 0, sizeof mask, 0, 0};
    f.call.arena_size = sizeof mask;
    auto bytes = std::as_bytes(std::span(&mask, 1));
    f.call.put_in(0, ByteBuffer(bytes));
    f.call.relocs.push_back({1, 0});
    return f;
}

}  // namespace

// First home, then here. A signal that came meanwhile was sent before the change: it is delivered before the call is
// done (again), which changes nothing at home the second time. What changes nothing there (swapcontext(3) sets the mask that it
// has, mostly) need not go there: with nothing unblocked, no signal has to be delivered before the call returns.
Status GuestSupervisor::change_mask(GuestThread& t, const Row& row) {
    const auto& args = t.notification->args;
    auto how = static_cast<int>(args[0]);
    bool is_known = how == SIG_BLOCK || how == SIG_UNBLOCK || how == SIG_SETMASK;
    // Without these the kernel here says what is wrong.
    if (args[1] == 0 || args[3] != sizeof(uint64_t) || !is_known) return let_run(t);
    auto set = t.process->memory->get<uint64_t>(args[1]);
    if (!set) return let_run(t);
    uint64_t wanted = changed_mask(t.home_mask, how, *set);
    if (wanted == t.home_mask) return let_run(t);
    return forward(t, row, CallKind::Plain, [this, &t, wanted](const Reply& reply, const Flattened&) {
        if (reply.result < 0) return finish(t, reply.result);
        t.home_mask = wanted;
        return t.signalled ? run_again(t) : let_run(t);
    });
}

// rt_sigreturn: the stack pointer stands behind the frame's return address, at its ucontext.
Status GuestSupervisor::return_from_handler(GuestThread& t) {
    TRY_ASSIGN(uint64_t stack, stack_pointer_in_call(t.outer));
    auto mask = t.process->memory->get<uint64_t>(stack + kMaskInContext);
    if (!mask || (*mask & ~kNeverBlocked) == t.home_mask) return let_run(t);
    t.home_mask = *mask & ~kNeverBlocked;
    return forward_call(t, nullptr, CallKind::Plain, set_mask_call(*mask),
                        [this, &t](const Reply& reply, const Flattened&) -> Status {
                            if (reply.result < 0) return fail("home does not take a signal mask: {}", reply.result);
                            return t.signalled ? run_again(t) : let_run(t);
                        });
}

// The result of a call that has a mask of its own (sigsuspend, ppoll, ...) and that a signal has ended. The kernel
// would run the handler with the call's mask in force and have it put the old one back; here the call was home's,
// so the mask is lent to the thread now and the handler's frame is told about the old one.
Status GuestSupervisor::suspend_result(GuestThread& t, int64_t result) {
    auto mask = temporary_mask(t);
    bool interrupted = is_restart(result) || result == -EINTR;
    if (!mask || !interrupted) return finish(t, result);
    t.home_result = kErestartNoHand;
    TRY(stop_then(t, [&t, mask]() -> Status {
        TRY_ASSIGN(uint64_t own, get_signal_mask(t.outer));
        t.mask_to_restore = own;
        TRY(set_signal_mask(t.outer, *mask));
        // Not go_on: even a freeze waits until the handler has been entered, for only then is the mask right again.
        t.stopped = false;
        return resume(t.outer);
    }));
    return give(t, kErestartNoHand);
}

std::optional<uint64_t> GuestSupervisor::temporary_mask(const GuestThread& t) const {
    const Row* row = find_row(t.notification->nr);
    if (row == nullptr || row->sigmask_arg >= 6) return std::nullopt;
    uint64_t address = t.notification->args[row->sigmask_arg];
    if (address != 0 && row->nr == SYS_pselect6) address = t.process->memory->get<uint64_t>(address).value_or(0);
    if (address == 0) return std::nullopt;
    auto mask = t.process->memory->get<uint64_t>(address);
    return mask ? std::optional<uint64_t>(*mask) : std::nullopt;
}

// Stopped at the first instruction of a handler: rsp points to the return address, behind it stands the ucontext.
Status GuestSupervisor::entered_handler(GuestThread& t) {
    t.stepping_into_handler = false;
    uint64_t own = *std::exchange(t.mask_to_restore, std::nullopt);
    constexpr uint64_t kContext = 8;
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    TRY(t.process->memory->put(r.rsp + kContext + kMaskInContext, own));
    return go_on(t);
}

}  // namespace pmi
