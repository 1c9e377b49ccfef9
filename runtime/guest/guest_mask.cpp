// Signal masks. The deputy blocks what the guest blocks, so that a blocked signal stays pending at home, where
// signalfd, sigpending and sigtimedwait look for it. Home may block less than the guest for a while, never more: what a thread
// blocks, by a call or by running a handler, home learns with its next call that goes there.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

constexpr uint64_t kNeverBlocked = uint64_t{1} << (SIGKILL - 1) | uint64_t{1} << (SIGSTOP - 1);
// struct ucontext of x86-64; in struct rt_sigframe it stands behind the return address.
constexpr uint64_t kMaskInContext = 40 + 256;

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

// What blocks more needs no home yet: of the thread's next call home learns it in time, and of a signal that comes before, home
// asks (guest_late_mask.cpp). What unblocks a signal that home blocks goes there first: it may be pending, and then has to be
// delivered before this call returns. A signal that came meanwhile was sent before the change: it is delivered before the call is
// done (again), which changes nothing at home the second time.
Status GuestSupervisor::change_mask(GuestThread& t, const Row& row) {
    TRY_ASSIGN(bool is_stopped, patch_if_hot(t));
    if (is_stopped) return {};
    note_late(t);
    TRY(open_masks(t));
    const auto& args = t.notification->args;
    auto how = static_cast<int>(args[0]);
    bool is_known = how == SIG_BLOCK || how == SIG_UNBLOCK || how == SIG_SETMASK;
    // Without these the kernel here says what is wrong.
    if (args[1] == 0 || args[3] != sizeof(uint64_t) || !is_known) return let_run(t);
    auto given = t.process->memory->get<uint64_t>(args[1]);
    if (!given) return let_run(t);
    uint64_t set = *given & ~kNeverBlocked, home = t.home_mask;
    if (how == SIG_BLOCK) return change_mask_here(t, t.mask_is_late || (set & ~home) != 0);
    if (how == SIG_UNBLOCK && (set & home) == 0) return change_mask_here(t, t.mask_is_late);
    if (how == SIG_SETMASK && (home & ~set) == 0) return change_mask_here(t, set != home);
    if (how == SIG_SETMASK) return change_mask_at_home(t, &row, set);
    TRY_ASSIGN(uint64_t now, mask_of(t));
    return change_mask_at_home(t, &row, now & ~set);
}

// By the call that the thread makes.
Status GuestSupervisor::change_mask_here(GuestThread& t, bool is_late) {
    t.mask_is_late = is_late;
    if (is_late) TRY(say_masks_are_late());
    return t.signalled ? run_again(t) : let_run(t);
}

Status GuestSupervisor::change_mask_at_home(GuestThread& t, const Row* row, uint64_t mask) {
    uint64_t before = t.home_mask;
    set_home_mask(t, mask);
    t.mask_is_late = false;
    TRY(forward_call(t, row, CallKind::Plain, set_mask_call(mask), [this, &t](const Reply& reply, const Flattened&) -> Status {
        if (reply.result < 0) return fail("home does not take a signal mask: {}", reply.result);
        return t.signalled ? run_again(t) : let_run(t);
    }));
    if (t.call) t.call->mask_before = before;
    return {};
}

// The thread's own, of one that is stopped or waits in a call.
Expected<uint64_t> GuestSupervisor::mask_of(const GuestThread& t) const {
    if (!is_late(t)) return t.home_mask;
    if (t.mask_to_restore) return *t.mask_to_restore;
    if (t.stopped) return get_signal_mask(t.outer);
    TRY_ASSIGN(ProcStatus status, read_status(t.process->outer, t.outer));
    return status.sig_blocked;
}

// rt_sigreturn: the stack pointer stands behind the frame's return address, at its ucontext. That a stub changed the mask before
// the handler is noted first: what is told now is newer, and home may ask while it is on its way.
Status GuestSupervisor::return_from_handler(GuestThread& t) {
    note_late(t);
    TRY_ASSIGN(uint64_t stack, stack_pointer_in_call(t.outer));
    auto mask = t.process->memory->get<uint64_t>(stack + kMaskInContext);
    if (!mask) return let_run(t);
    uint64_t wanted = *mask & ~kNeverBlocked;
    return (t.home_mask & ~wanted) == 0 ? change_mask_here(t, wanted != t.home_mask) : change_mask_at_home(t, nullptr, wanted);
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
