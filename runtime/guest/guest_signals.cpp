// Signals. Whatever is sent to the program arrives at the deputy, whose supervisor sends it on when it has a handler.
// Here it is queued to the same thread with a number of ours as its value (nobody may forge another's siginfo), and
// at its delivery the true siginfo is put in its place: handler, mask, restart or EINTR are the guest kernel's own
// work. Faults happen here: handled ones run their handler, fatal ones take the program home to die there.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kernel-assist/userspace/pending_signals.h"
#include "runtime/base/log.h"
#include "runtime/guest/guest_supervisor.h"
#include "runtime/kernel/procfs.h"
#include "runtime/tracee/interrupted.h"

namespace pmi {
namespace {

uint64_t bit(int signal) { return uint64_t{1} << (signal - 1); }

bool is_fault(int signal, const siginfo_t& info) {
    if (info.si_code <= 0) return false;
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP;
}

// Signals that this node's kernel makes for things that are the guest's own.
bool is_local(int signal) {
    return signal == SIGXCPU || signal == SIGVTALRM || signal == SIGPROF || signal == SIGSEGV || signal == SIGBUS ||
           signal == SIGFPE || signal == SIGILL || signal == SIGTRAP || signal == SIGSYS;
}

bool is_caught(const GuestThread& t, int signal) {
    auto s = read_status(t.process->outer, t.outer);
    return s && (s->sig_caught & bit(signal)) != 0 && (s->sig_blocked & bit(signal)) == 0;
}

}  // namespace

Status GuestSupervisor::handle_signal_frame(const SignalHead& head) {
    GuestThread* t = thread_of(HomePid(head.pid), HomePid(head.tid));
    if (t == nullptr) return {};
    if (head.info.si_signo < 1 || head.info.si_signo > 64) return fail("signal {} from home", head.info.si_signo);
    if (signals_.merge_expiration(t->tid, head.info)) return {};
    if (head.info.si_signo >= kFirstRealTime && signals_.holds_for(t->tid)) {
        signals_.hold(t->tid, head.info);
        return {};
    }
    TRY_ASSIGN(bool is_queued, queue_signal(*t, head.info));
    if (!is_queued) signals_.hold(t->tid, head.info);
    return {};
}

// False: this node's limit of queued signals (RLIMIT_SIGPENDING) is reached.
Expected<bool> GuestSupervisor::queue_signal(GuestThread& t, const siginfo_t& true_one) {
    uint64_t number = signals_.add(t.tid, true_one);
    siginfo_t info{};
    info.si_signo = true_one.si_signo;
    info.si_code = SI_QUEUE;
    info.si_value.sival_ptr = reinterpret_cast<void*>(number);  // NOLINT: a number, no address
    if (::syscall(SYS_rt_tgsigqueueinfo, t.process->outer, t.outer, info.si_signo, &info) != 0) {
        int error = errno;
        (void)signals_.take(number, info.si_signo);
        if (error == EAGAIN) return false;
        if (error != ESRCH) return fail_code(error, "signal {} for guest {}", info.si_signo, t.tid.value);
        return true;
    }
    t.signalled = t.interrupted = true;
    TRY(cancel_call(t));
    return true;
}

// When one has been delivered there is room for another; and now and then, for others of this user's may have made room.
Status GuestSupervisor::queue_held_signals() {
    while (auto next = signals_.next_held()) {
        const auto& [tid, info] = *next;
        auto is_it = [wanted = tid](const auto& entry) { return entry.second->tid == wanted; };
        auto at = std::find_if(by_outer_.begin(), by_outer_.end(), is_it);
        if (at != by_outer_.end()) {
            TRY_ASSIGN(bool is_queued, queue_signal(*at->second, info));
            if (!is_queued) return {};
        }
        signals_.drop_next_held();
    }
    return {};
}

// Not so of a program that has unmapped all of its memory.
bool GuestSupervisor::has_agent(const GuestProcess& p) const {
    std::byte first{};
    return p.memory->read_some(agent_of(p).base, std::span(&first, 1)) == 1;
}

Status GuestSupervisor::handle_signal_stop(GuestThread& t, int signal) {
    if (t.stepping_into_handler && signal == SIGTRAP) return entered_handler(t);
    TRY_ASSIGN(siginfo_t info, get_signal_info(t.outer));
    if (is_fault(signal, info)) {
        TRY_ASSIGN(bool is_stubs, leave_fault_in_stub(t));
        if (is_stubs) return go_on(t);
    }
    TRY(leave_stub(t));  // a handler's frame must not hold an address in there: the program may move before it returns
    if (!is_fault(signal, info)) TRY(leave_vdso_before(t, info));
    if (auto true_one = take_true_info(t, info)) {
        TRY(deliver(t, signal, *true_one));
        return queue_held_signals();
    }
    if (info.si_code == SI_QUEUE) return go_on(t);  // not from home: nobody's
    if (is_fault(signal, info)) {
        TRY_ASSIGN(Registers r, get_registers(t.outer));
        if ((signal == SIGSEGV || signal == SIGILL) &&
            vdso_.needs_home(r.rip, reinterpret_cast<uint64_t>(info.si_addr), t.process->image)) {
            t.stopped = true;
            return go_home(t, -1, "what its kernel has put into its memory");
        }
        if (is_caught(t, signal)) return run_handler(t, signal);
        // It stays in this stop; at home the same instruction faults again, natively. A trap is behind its
        // instruction and travels as a pending signal instead.
        if (signal == SIGTRAP) t.carried.push_back(info);
        t.stopped = true;
        if (!has_agent(*t.process))
            return parts_.channel->send(static_cast<uint8_t>(FrameType::Fatal),
                                        head_bytes(SignalHead{t.process->pid.value, t.tid.value, info}));
        return go_home(t, -1, fmt::format("signal {} that it does not handle", signal));
    }
    if (is_local(signal)) {
        if (is_caught(t, signal)) return run_handler(t, signal);
        // Fatal (or a job for home's core dump): it is home that dies of it.
        t.carried.push_back(info);
        t.stopped = true;
        return go_home(t, -1, fmt::format("signal {} that it does not handle", signal));
    }
    return go_on(t);  // this node's own noise (a child of the jail): home's SIGCHLD comes from home
}

// A handler's frame must not hold an address that only this node knows: the program may move before it returns. The
// signal stays in this stop, or in that of the last step, where it is delivered as well.
Status GuestSupervisor::leave_vdso_before(GuestThread& t, const siginfo_t& info) {
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    if (!vdso_.is_inside(r.rip)) return {};
    TRY_ASSIGN(uint64_t mask, get_signal_mask(t.outer));
    TRY(set_signal_mask(t.outer, kStepMask));
    auto left = leave_vdso(t.outer, vdso_, *t.process->memory, *this);
    TRY(set_signal_mask(t.outer, mask));
    if (!left) spdlog::warn("{}: a signal's frame holds an address of this node: {}", t.tid.value, left.error().message());
    return set_signal_info(t.outer, info);
}

Status GuestSupervisor::deliver(GuestThread& t, int signal, const siginfo_t& info) {
    TRY(set_signal_info(t.outer, info));
    if (!t.mask_to_restore) return run_handler(t, signal);
    TRY(note_handlers_mask(t));
    t.restart_is_home = false;
    t.stepping_into_handler = true;
    t.stopped = false;
    return single_step(t.outer, signal);
}

// While it runs the thread blocks the signal itself, and what sigaction(2) was told to: home hears of that as of what a thread
// blocks by a call.
Status GuestSupervisor::note_handlers_mask(GuestThread& t) {
    note_late(t);
    t.mask_is_late = true;
    return say_masks_are_late();
}

Status GuestSupervisor::run_handler(GuestThread& t, int signal) {
    TRY(note_handlers_mask(t));
    t.restart_is_home = false;
    TRY_ASSIGN(Registers r, get_registers(t.outer));
    uint64_t before = r.rax;
    name_interruption(t, r);
    if (uint64_t transferred = std::exchange(t.transferred, 0)) r.rax = transferred;
    t.reissued.reset();
    if (r.rax != before) TRY(set_registers(t.outer, r));
    return go_on(t, signal);
}

std::optional<siginfo_t> GuestSupervisor::take_true_info(const GuestThread& t, const siginfo_t& queued) {
    if (queued.si_code == SI_QUEUE) return signals_.take(reinterpret_cast<uint64_t>(queued.si_value.sival_ptr), queued.si_signo);
    // At the limit the kernel queues a standard signal without what we said of it (__send_signal_locked).
    bool is_bare = queued.si_code == SI_USER && queued.si_pid == 0 && queued.si_signo < kFirstRealTime;
    return is_bare ? signals_.take_first(t.tid, queued.si_signo) : std::nullopt;
}

// Pending signals of a captured guest: ours are given their true siginfo.
std::string GuestSupervisor::true_info(const std::string& queued) const {
    siginfo_t info{};
    if (queued.size() != sizeof info) return queued;
    std::memcpy(&info, queued.data(), sizeof info);
    if (info.si_code != SI_QUEUE) return queued;
    auto known = signals_.find(reinterpret_cast<uint64_t>(info.si_value.sival_ptr));
    return known ? std::string(reinterpret_cast<const char*>(&*known), sizeof *known) : queued;
}

}  // namespace pmi
